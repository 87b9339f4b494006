"""Layers of `peft` as a part: applied where the host says, to the rows it says."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from lect import BaseLayer, Part, SiteContext
from lect_lora.base import base_of
from lect_lora.batched import PlainLora, add_lora, add_lora_by_rows, can_be_batched

_ROUNDING = 1e-5
ADAPTER = "default"
"""The name under which layers of `peft` file their matrices."""


@dataclass(frozen=True)
class BaseUse:
    """How a layer uses what it stands on.

    Args:
        reads_other_input: it gives it another input than its own.
        ignores_below: what it gives does not depend on it: the layer computes with a changed weight of its own.
    """

    reads_other_input: bool
    ignores_below: bool


class PeftPart(Part):
    """Layers that `peft` made for frozen projections, each standing on a `Base` in place of its projection.

    Some layers (HRA, SHiRA, GLoRA, MiSS) ignore what they wrap, and compute with a changed weight. There the change
    that this weight makes is added to what stands below, so that no part below is dropped.

    Args:
        linears: the layers, at their projections' own paths.
        base_uses: what each path's layer does with what it stands on.
    """

    def __init__(self, linears: nn.Module, base_uses: Mapping[str, BaseUse]) -> None:
        super().__init__()
        self.linears = linears
        self._base_uses = dict(base_uses)
        # Looked up once: with many parts in a batch, looking is a good share of the time.
        self._layer_at = {site: linears.get_submodule(site) for site in base_uses}
        self._plain = {site: PlainLora.of(layer) for site, layer in self._layer_at.items()}

    def sites(self) -> Iterable[str]:
        return tuple(self._base_uses)

    def reads_input(self, site: str) -> bool:
        """True where a method scales or rotates what goes into the projection."""
        return self._base_uses[site].reads_other_input

    def at(self, site: str, base_layer: BaseLayer, inputs: Tensor, context: SiteContext) -> Tensor:
        layer, plain = self._layer_at[site], self._plain[site]
        if plain is not None and plain.is_plain_now:
            return add_lora(plain, inputs, base_layer(inputs))
        base = base_of(layer)
        with base.standing_on(base_layer):
            output: Tensor = layer(inputs)
        if plain is not None and plain.strength != 1:
            below = base_layer(inputs)
            output = below + plain.strength * (output - below)
        if self._base_uses[site].ignores_below:
            return output + (base_layer(inputs) - base.plain(inputs))
        return output

    def at_rows(
        self,
        parts: Sequence[Part],
        site: str,
        base_layer: BaseLayer,
        inputs: Tensor,
        context: SiteContext,
        assignment: Tensor,
    ) -> Tensor | None:
        """What the layers give, each row with its own, where these are plain LoRA of one rank."""
        members = [part._plain.get(site) for part in parts if isinstance(part, PeftPart)]
        if len(members) < len(parts) or inputs.ndim != 3 or not can_be_batched(members):
            return None
        return add_lora_by_rows(members, inputs, base_layer(inputs), assignment)

    def scaled(self, strength: float) -> Part | None:
        """One of the same matrices, where all layers are plain LoRA; else None."""
        plain = {site: own for site, own in self._plain.items() if own is not None}
        if len(plain) < len(self._plain):
            return None
        scaled = copy.copy(self)
        scaled._plain = {site: replace(own, strength=own.strength * strength) for site, own in plain.items()}
        return scaled

    def signature(self) -> Hashable | None:
        """The rank and scale at each site, where all layers are plain LoRA; else None."""
        found = []
        for site, plain in self._plain.items():
            if plain is None or not plain.is_plain_now:
                return None
            found.append((site, plain.down.out_features, plain.scale))
        return tuple(found)

    @torch.no_grad()
    def fold(self, site: str, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """What the layer makes of the unit vectors, if it is linear; None otherwise.

        Not by `peft`'s own merging, which starts from the frozen weight and would drop the parts below.
        """
        weight, bias = parameters["weight"], parameters.get("bias")

        def below(inputs: Tensor) -> Tensor:
            return functional.linear(inputs, weight, bias)

        def whole(inputs: Tensor) -> Tensor:
            return self.at(site, below, inputs, SiteContext())

        units = torch.eye(weight.shape[1], dtype=weight.dtype, device=weight.device).unsqueeze(0)
        offset = whole(torch.zeros_like(units[:, :1]))
        # The change alone, so that the rounding of what stays the same is not taken in.
        change = (whole(units) - below(units)) - (offset - below(torch.zeros_like(units[:, :1])))
        folded = weight + change[0].T
        own_bias = None if bias is None else offset[0, 0]
        generator = torch.Generator().manual_seed(0)
        probes = torch.randn(1, 8, weight.shape[1], generator=generator).to(weight) * 3
        expected = whole(probes)
        given = functional.linear(probes, folded, own_bias)
        if not torch.allclose(given, expected, rtol=_ROUNDING, atol=_ROUNDING * float(expected.abs().max())):
            return None
        return {"weight": folded} if own_bias is None else {"weight": folded, "bias": own_bias}


@torch.no_grad()
def base_use_of(layer: nn.Module) -> BaseUse:
    """What a layer does with what it stands on, found by trying."""
    base = base_of(layer)
    inputs = base.weight.new_ones(1, 2, base.in_features)
    given: list[Tensor] = []

    def below(shift: float) -> BaseLayer:
        def base_layer(inputs: Tensor) -> Tensor:
            given.append(inputs)
            return base.plain(inputs) + shift

        return base_layer

    was_training = layer.training
    layer.eval()
    outputs = []
    for shift in (0.0, 1.0):
        with base.standing_on(below(shift)):
            outputs.append(layer(inputs).float())
    layer.train(was_training)
    return BaseUse(
        reads_other_input=any(tensor is not inputs for tensor in given),
        ignores_below=not bool((outputs[0] - outputs[1]).abs().max() > 0.01),
    )

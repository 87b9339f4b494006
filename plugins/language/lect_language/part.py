"""Bottleneck adapters as a part: applied where the host says, to the rows it says."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lect import FAMILIES, BaseLayer, Part, SiteContext
from lect_language.batched import LinearBottleneck, batched_bottlenecks, can_be_batched
from lect_language.kronecker import share_parameters
from lect_language.layers import Bottleneck, CouplingBlock
from lect_language.settings import BottleneckSettings, check_fits, settings_of

if TYPE_CHECKING:
    from lect import Backbone
    from lect_language.config import BottleneckConfig


class BottleneckPart(Part):
    """Small bottlenecks after, or beside, the frozen model's blocks, and one invertible block on its embeddings.

    The places follow Houlsby et al. (2019), Pfeiffer et al. (2020, MAD-X for the invertible block) and He et al.
    (2022). The frozen model adds its residual, and its norm where it has one there, after each place: what the library
    `adapters` calls ``original_ln_after``.

    Args:
        invertible_non_linearity: the invertible block's activation; that of the bottlenecks where None.
        before_projection: whether the invertible block acts where embeddings still have a width of their own.
    """

    def __init__(
        self,
        settings: BottleneckSettings,
        backbone: Backbone,
        invertible_non_linearity: str | None = None,
        before_projection: bool = False,
    ) -> None:
        super().__init__()
        self.settings = settings
        self._places: dict[str, tuple[str, str]] = {}
        self._embeddings, embedding_width = embeddings_of(backbone, before_projection)
        width = backbone.hidden_size
        self.layers = nn.ModuleDict()
        for number, layer in enumerate(backbone.anatomy.layers):
            if number in settings.leave_out:
                continue
            size = int(width // settings.reduction_at(number))
            blocks = nn.ModuleDict()
            if settings.mh_adapter:
                blocks["attention"] = Bottleneck(width, size, settings)
                self._places[layer.attention.output] = (str(number), "attention")
            if settings.output_adapter:
                blocks["feed_forward"] = Bottleneck(width, size, settings)
                self._places[layer.feed_forward.output] = (str(number), "feed_forward")
            if len(blocks):
                self.layers[str(number)] = blocks
        share_parameters(settings, self.layers, width)
        self.invertible: CouplingBlock | None = None
        if settings.inv_adapter is not None:
            assert settings.inv_adapter_reduction_factor is not None
            non_linearity = invertible_non_linearity or settings.non_linearity
            self.invertible = CouplingBlock(embedding_width, non_linearity, settings.inv_adapter_reduction_factor)
        # Looked up once: with many parts in a batch, looking is a good share of the time.
        self._linear = {site: LinearBottleneck.of(self._bottleneck_at(site)) for site in self._places}

    def sites(self) -> Iterable[str]:
        if self.invertible is None:
            return tuple(self._places)
        assert self._embeddings is not None
        return (*self._places, self._embeddings)

    def at(self, site: str, base_layer: BaseLayer, inputs: Tensor, context: SiteContext) -> Tensor:
        """What the module gives, taken through the bottleneck."""
        hidden = base_layer(inputs)
        if site not in self._places:
            assert self.invertible is not None
            mixed: Tensor = self.invertible(hidden)
            return mixed
        output: Tensor = self._bottleneck_at(site)(hidden, context.residual, context.norm)
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
        """What the module gives, each row taken through its own bottleneck, where these are linear and of one kind."""
        members = [part._linear.get(site) for part in parts if isinstance(part, BottleneckPart)]
        if len(members) < len(parts) or not can_be_batched(members):
            return None
        hidden = base_layer(inputs)
        read, skip = members[0].bottleneck.inputs_of(hidden, context.residual, context.norm)
        output = batched_bottlenecks(members, read, skip, assignment)
        return output if skip is hidden else torch.where((assignment >= 0)[:, None, None], output, hidden)

    def scaled(self, strength: float) -> Part | None:
        """One of the same bottlenecks, each scaled; None with an invertible block, or with norms behind them."""
        found = {site: self._bottleneck_at(site).scaled(strength) for site in self._places}
        scaling = self.settings.scaling
        if self.invertible is not None or None in found.values() or not isinstance(scaling, float):
            return None
        own = copy.copy(self)
        own.settings = replace(self.settings, scaling=scaling * strength)
        # The copy has the very dictionary of submodules.
        own._modules = dict(self._modules)
        own.layers = nn.ModuleDict()
        for site, (number, block) in self._places.items():
            blocks = own.layers[number] if number in own.layers else nn.ModuleDict()
            assert isinstance(blocks, nn.ModuleDict)
            blocks[block] = found[site]
            own.layers[number] = blocks
        own._linear = {site: LinearBottleneck.of(own._bottleneck_at(site)) for site in own._places}
        return own

    def signature(self) -> Hashable:
        """The settings, and which bottleneck acts where."""
        return repr(self.settings), self._embeddings, tuple(self._places.items()), repr(self.invertible)

    def origin(self) -> Mapping[str, Tensor]:
        """Norms of the bottleneck's own scale by one where they change nothing; all else is zero there."""
        return {
            f"{path}.weight": torch.ones_like(module.weight)
            for path, module in self.named_modules()
            if isinstance(module, nn.LayerNorm)
        }

    def _bottleneck_at(self, site: str) -> Bottleneck:
        number, block = self._places[site]
        blocks = self.layers[number]
        assert isinstance(blocks, nn.ModuleDict)
        bottleneck = blocks[block]
        assert isinstance(bottleneck, Bottleneck)
        return bottleneck


def build_bottleneck(config: BottleneckConfig, backbone: Backbone) -> BottleneckPart:
    """A freshly initialised part.

    Raises:
        RecipeError: the configuration contradicts itself, or does not fit the backbone.
    """
    settings = settings_of(config)
    check_fits(settings, backbone)
    return BottleneckPart(
        settings, backbone, config.inv_adapter_non_linearity, bool(config.inv_adapter_before_projection)
    )


def embeddings_of(backbone: Backbone, before_projection: bool) -> tuple[str | None, int]:
    """Where an invertible part acts, and how wide what it changes is there."""
    family = FAMILIES[backbone.model.config.model_type]
    if not before_projection or not projects(backbone):
        return backbone.anatomy.embeddings, backbone.hidden_size
    return family.embeddings, int(backbone.module(backbone.anatomy.word_embedding).weight.shape[1])


def projects(backbone: Backbone) -> bool:
    """Whether the embeddings have a width of their own, and are brought to the layers' before the first one."""
    projection = FAMILIES[backbone.model.config.model_type].projection
    return projection is not None and backbone.anatomy.embeddings == projection

"""The layers of bottleneck adapters: the bottleneck itself and the invertible coupling block.

They compute what those of the library `adapters` (version 1.3.0, methods/modeling.py) compute, start from the same
random draws, and have its names of parameters, which stand in every saved component.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers.activations import get_activation

from lect_language.kronecker import KroneckerLinear
from lect_language.settings import BottleneckSettings


class Activation(nn.Module):
    """An activation of `transformers` by its name, or ``leakyrelu``."""

    def __init__(self, name: str) -> None:
        super().__init__()
        # Some have parameters (prelu), which are saved under this name.
        self.f = nn.functional.leaky_relu if name.lower() == "leakyrelu" else get_activation(name.lower())

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.f(inputs)
        return outputs


class Bottleneck(nn.Module):
    """``skip + scaling · up(activation(down(inputs)))``, with a few features between the two projections.

    Sequential, it reads what the frozen block gives (Houlsby et al. 2019, figure 2; Pfeiffer et al. 2021); parallel, it
    reads what the block's residual is, and adds to what the block gives (He et al. 2022, table 1).

    Args:
        width: features of the hidden states.
        size: features between the projections; at least one.
    """

    def __init__(self, width: int, size: int, settings: BottleneckSettings) -> None:
        super().__init__()
        size = max(size, 1)
        self.is_parallel = settings.is_parallel
        self.original_ln_before = settings.original_ln_before
        self.residual_before_ln = settings.residual_before_ln
        self.adapter_residual_before_ln = settings.adapter_residual_before_ln and not settings.is_parallel
        down: list[nn.Module] = []
        if settings.ln_before:
            self.adapter_norm_before = nn.LayerNorm(width)
            down.append(self.adapter_norm_before)
        down.append(_projection(width, size, "down", settings))
        self.non_linearity = Activation(settings.non_linearity)
        self.adapter_down = nn.Sequential(*down, self.non_linearity)
        self.adapter_up = _projection(size, width, "up", settings)
        self.scaling: float | nn.Parameter
        if isinstance(settings.scaling, str):
            self.scaling = nn.Parameter(torch.ones(width if settings.scaling == "channel" else 1))
        else:
            self.scaling = settings.scaling
        self.adapter_norm_after = nn.LayerNorm(width) if settings.ln_after else None
        self.dropout = nn.Dropout(settings.dropout)
        self._initialise(settings.init_weights)

    def scaled(self, strength: float) -> Bottleneck | None:
        """The same with so many times its change, of the same tensors; None where it does more than add a change."""
        adds = self.is_parallel or self.residual_before_ln is True
        if not adds or self.adapter_norm_after is not None or not isinstance(self.scaling, float):
            return None
        own = copy.copy(self)
        own.scaling = self.scaling * strength
        return own

    @property
    def down(self) -> nn.Module:
        """The projection to few features."""
        return self.adapter_down[-2]

    def forward(
        self, hidden: Tensor, residual: Tensor | None, norm: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """What the frozen block gives, changed.

        Args:
            hidden: what the block gives. *Shape:* ``(rows, length, width)``.
            residual: what the model adds to that afterwards. *Shape:* as `hidden`.
            norm: the frozen norm over that sum, in a post-norm model.

        Returns:
            *Shape:* as `hidden`.
        """
        inputs, skip = self.inputs_of(hidden, residual, norm)
        change = self.dropout(self.adapter_up(self.adapter_down(inputs)) * self.scaling)
        if self.adapter_residual_before_ln:
            change = change + skip
        if self.adapter_norm_after is not None:
            change = self.adapter_norm_after(change)
        output: Tensor = change if self.adapter_residual_before_ln else change + skip
        return output

    def inputs_of(
        self, hidden: Tensor, residual: Tensor | None, norm: Callable[[Tensor], Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """What goes into the bottleneck, and what passes by it; arguments as for `forward`."""
        if self.is_parallel:
            assert residual is not None
            return residual, hidden
        inputs = added = hidden
        if self.original_ln_before and residual is not None:
            inputs = added = hidden + residual
            if norm is not None:
                inputs = norm(added)
        if self.residual_before_ln == "post_add":
            return inputs, added
        return inputs, hidden if self.residual_before_ln else inputs

    def _initialise(self, kind: str) -> None:
        """Give linear projections their start; those of Kronecker products have one of their own."""
        for layer in (self.down, self.adapter_up):
            if not isinstance(layer, nn.Linear):
                continue
            nn.init.zeros_(layer.bias)
            if kind == "bert":
                nn.init.normal_(layer.weight, std=0.02)
            elif kind == "houlsby":
                nn.init.trunc_normal_(layer.weight, std=0.01, a=-0.02, b=0.02)
            elif layer is self.adapter_up:
                nn.init.zeros_(layer.weight)
            else:
                nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5))


class CouplingBlock(nn.Module):
    """An additive coupling block of NICE (Dinh et al. 2015), as MAD-X has it on the embeddings (Pfeiffer et al. 2020).

    Each half of the features is added a function of the other: ``y₁ = x₁ + F(x₂)``, ``y₂ = x₂ + G(y₁)``.

    Args:
        width: features of the embeddings.
        reduction_factor: features that F and G read over features between their two layers.
    """

    def __init__(self, width: int, non_linearity: str, reduction_factor: float) -> None:
        super().__init__()
        self.sizes = width // 2, width - width // 2
        first, second = self.sizes
        self.F = _two_layers(second, first, non_linearity, reduction_factor)
        self.G = _two_layers(first, second, non_linearity, reduction_factor)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, embeddings: Tensor) -> Tensor:
        """The embeddings, changed. *Shape:* ``(rows, length, width)``, as what it returns."""
        first, second = embeddings.split(self.sizes, dim=-1)
        first = first + self.F(second)
        second = second + self.G(first)
        return torch.cat([first, second], -1)

    def inverse(self, changed: Tensor) -> Tensor:
        """The embeddings that are changed into these. *Shape:* ``(rows, length, width)``, as what it returns."""
        first, second = changed.split(self.sizes, dim=-1)
        second = second - self.G(first)
        first = first - self.F(second)
        return torch.cat([first, second], -1)


def _projection(inputs: int, outputs: int, side: str, settings: BottleneckSettings) -> nn.Module:
    if settings.phm_layer:
        return KroneckerLinear(inputs, outputs, side, settings)
    return nn.Linear(inputs, outputs)


def _two_layers(inputs: int, outputs: int, non_linearity: str, reduction_factor: float) -> nn.Sequential:
    size = int(inputs // reduction_factor)
    return nn.Sequential(nn.Linear(inputs, size), Activation(non_linearity), nn.Linear(size, outputs))

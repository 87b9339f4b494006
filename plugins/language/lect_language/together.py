"""Many bottlenecks of one shape in one batch: two products over batches of matrices instead of two a bottleneck."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from adapters.methods.modeling import Adapter
from torch import Tensor, nn

from lect.composition.together import of_rows, scales_of_rows


def can_act_together(adapters: Sequence[Adapter]) -> bool:
    """Whether these bottlenecks are plain (two linear layers and an activation) and of one shape and configuration."""
    return all(_is_plain(adapter) for adapter in adapters) and len({_kind(adapter) for adapter in adapters}) == 1


def changes(adapters: Sequence[Adapter], hidden: Tensor, assignment: Tensor) -> Tensor:
    """What each row's own bottleneck gives, before residuals; zero for rows that have none.

    Args:
        hidden: *Shape:* ``(rows, length, hidden)``.
        assignment: *Shape:* ``(rows,)``; each row's index into `adapters`, or -1.

    Returns:
        *Shape:* ``(rows, length, hidden)``.
    """
    down, up = [adapter.adapter_down[0] for adapter in adapters], [adapter.adapter_up for adapter in adapters]
    first = adapters[0]
    narrow = first.adapter_down[1](_linear(hidden, down, assignment))
    # The factor is taken where the features are few.
    scales = scales_of_rows([adapter.scaling for adapter in adapters], assignment, narrow)
    changed: Tensor = first.dropout(_linear(narrow * scales, up, assignment, scales))
    return changed


def _linear(inputs: Tensor, layers: Sequence[nn.Linear], assignment: Tensor, scales: Tensor | None = None) -> Tensor:
    weight = of_rows([layer.weight for layer in layers], assignment)
    bias = of_rows([layer.bias for layer in layers], assignment).unsqueeze(1)
    return torch.baddbmm(bias if scales is None else bias * scales, inputs, weight.transpose(1, 2))


def _is_plain(adapter: Adapter) -> bool:
    layers = list(adapter.adapter_down)
    return (
        len(layers) == 2
        and type(layers[0]) is nn.Linear
        and type(adapter.adapter_up) is nn.Linear
        and isinstance(adapter.scaling, float)
        and not (adapter.use_gating or adapter.add_layer_norm_after or hasattr(adapter, "DropPath"))
    )


def _kind(adapter: Adapter) -> tuple[object, ...]:
    activation = adapter.adapter_down[1].f
    return (
        type(adapter),
        adapter.adapter_down[0].weight.shape,
        # Activations are functions, or modules without parameters.
        repr(activation) if isinstance(activation, nn.Module) else activation,
        adapter.dropout.p,
        adapter.residual_before_ln,
        adapter.original_ln_before,
        adapter.adapter_residual_before_ln,
    )

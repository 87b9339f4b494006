"""Many bottlenecks of one shape in one batch: two products over batches of matrices instead of two a bottleneck."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.methods.modeling import Adapter
from torch import Tensor, nn

from lect.composition.together import Projections, add_by_rows


def can_act_together(adapters: Sequence[Adapter]) -> bool:
    """Whether these bottlenecks are plain (two linear layers and an activation) and of one shape and configuration."""
    return all(_is_plain(adapter) for adapter in adapters) and len({_kind(adapter) for adapter in adapters}) == 1


def changed(adapters: Sequence[Adapter], hidden: Tensor, onto: Tensor, assignment: Tensor) -> Tensor:
    """What each row's own bottleneck adds to `onto`; nothing for rows that have none.

    Args:
        hidden: what the bottlenecks read. *Shape:* ``(rows, length, hidden)``.
        onto: *Shape:* ``(rows, length, hidden)``.
        assignment: *Shape:* ``(rows,)``; each row's index into `adapters`, or -1.

    Returns:
        *Shape:* ``(rows, length, hidden)``.
    """
    first = adapters[0]
    draws = first.training and first.dropout.p > 0
    change = add_by_rows(
        None if draws else onto,
        hidden,
        _projections([adapter.adapter_down[0] for adapter in adapters]),
        _projections([adapter.adapter_up for adapter in adapters]),
        [adapter.scaling for adapter in adapters],
        assignment,
        activation=first.adapter_down[1],
    )
    return onto + first.dropout(change) if draws else change


def _projections(layers: Sequence[nn.Linear]) -> Projections:
    return Projections([layer.weight for layer in layers], [layer.bias for layer in layers])


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

"""Many bottlenecks of one shape in one batch: two products over batches of matrices instead of two a bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from adapters.methods.modeling import Adapter
from torch import Tensor, nn

from lect import Projections, add_by_rows


@dataclass(frozen=True)
class Plain:
    """A bottleneck of two linear layers and an activation, with its layers at hand.

    Args:
        kind: equal for those that differ in their weights alone.
    """

    adapter: Adapter
    down: nn.Linear
    up: nn.Linear
    kind: tuple[object, ...]

    @classmethod
    def of(cls, adapter: Adapter) -> Plain | None:
        """The bottleneck's layers; None where it has more to it."""
        layers = list(adapter.adapter_down)
        if (
            len(layers) != 2
            or type(layers[0]) is not nn.Linear
            or type(adapter.adapter_up) is not nn.Linear
            or not isinstance(adapter.scaling, float)
            or adapter.use_gating
            or adapter.add_layer_norm_after
            or hasattr(adapter, "DropPath")
        ):
            return None
        return cls(adapter, layers[0], adapter.adapter_up, _kind(adapter))


def can_act_together(plains: Sequence[Plain | None]) -> TypeGuard[Sequence[Plain]]:
    """Whether these bottlenecks are plain and of one kind."""
    kind = None if plains[0] is None else plains[0].kind
    return all(plain is not None and plain.kind == kind for plain in plains)


def changed(plains: Sequence[Plain], hidden: Tensor, onto: Tensor, assignment: Tensor) -> Tensor:
    """What each row's own bottleneck adds to `onto`; nothing for rows that have none.

    Args:
        plains: all of one kind.
        hidden: what the bottlenecks read. *Shape:* ``(rows, length, hidden)``.
        onto: *Shape:* ``(rows, length, hidden)``.
        assignment: *Shape:* ``(rows,)``; each row's index into `plains`, or -1.

    Returns:
        *Shape:* ``(rows, length, hidden)``.
    """
    first = plains[0].adapter
    draws = first.training and first.dropout.p > 0
    change = add_by_rows(
        None if draws else onto,
        hidden,
        _projections([plain.down for plain in plains]),
        _projections([plain.up for plain in plains]),
        [plain.adapter.scaling for plain in plains],
        assignment,
        activation=first.adapter_down[1],
    )
    return onto + first.dropout(change) if draws else change


def _projections(layers: Sequence[nn.Linear]) -> Projections:
    return Projections([layer.weight for layer in layers], [layer.bias for layer in layers])


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

"""Many bottlenecks of one shape in one batch: two products over batches of matrices instead of two a bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from torch import Tensor, nn

from lect import Projections, add_by_rows
from lect_language.layers import Bottleneck


@dataclass(frozen=True)
class LinearBottleneck:
    """A bottleneck of two linear layers and an activation, with its layers at hand.

    Args:
        kind: equal for those that differ in their weights alone.
    """

    bottleneck: Bottleneck
    down: nn.Linear
    up: nn.Linear
    kind: tuple[object, ...]

    @classmethod
    def of(cls, bottleneck: Bottleneck) -> LinearBottleneck | None:
        """The bottleneck's layers; None where it has parameters beside theirs, or scales by one."""
        down, up = bottleneck.down, bottleneck.adapter_up
        if not (isinstance(down, nn.Linear) and isinstance(up, nn.Linear) and isinstance(bottleneck.scaling, float)):
            return None
        own = {id(parameter) for layer in (down, up) for parameter in layer.parameters()}
        if any(id(parameter) not in own for parameter in bottleneck.parameters()):
            return None
        return cls(bottleneck, down, up, _kind(bottleneck))


def can_be_batched(members: Sequence[LinearBottleneck | None]) -> TypeGuard[Sequence[LinearBottleneck]]:
    """Whether these bottlenecks are of one kind, and can act in one product over batches of matrices."""
    kind = None if members[0] is None else members[0].kind
    return all(member is not None and member.kind == kind for member in members)


def batched_bottlenecks(
    members: Sequence[LinearBottleneck], inputs: Tensor, skip: Tensor, assignment: Tensor
) -> Tensor:
    """What passes by the bottlenecks, with what each row's own bottleneck adds; nothing for rows that have none.

    Args:
        members: all of one kind.
        inputs: what the bottlenecks read. *Shape:* ``(rows, length, hidden)``.
        skip: what passes by them. *Shape:* ``(rows, length, hidden)``.
        assignment: *Shape:* ``(rows,)``; each row's index into `members`, or -1.

    Returns:
        *Shape:* ``(rows, length, hidden)``.
    """
    first = members[0].bottleneck
    draws = first.training and first.dropout.p > 0
    change = add_by_rows(
        None if draws else skip,
        inputs,
        _projections([member.down for member in members]),
        _projections([member.up for member in members]),
        [member.bottleneck.scaling for member in members],
        assignment,
        activation=first.non_linearity,
    )
    return skip + first.dropout(change) if draws else change


def _projections(layers: Sequence[nn.Linear]) -> Projections:
    return Projections([layer.weight for layer in layers], [layer.bias for layer in layers])


def _kind(bottleneck: Bottleneck) -> tuple[object, ...]:
    activation = bottleneck.non_linearity.f
    return (
        bottleneck.is_parallel,
        bottleneck.down.weight.shape,
        # Activations are functions, or modules without parameters.
        repr(activation) if isinstance(activation, nn.Module) else activation,
        bottleneck.dropout.p,
        bottleneck.residual_before_ln,
        bottleneck.original_ln_before,
        bottleneck.adapter_residual_before_ln,
    )

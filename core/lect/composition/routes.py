"""Which rows of a batch go through which components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Group:
    """The rows that share one stack.

    Args:
        components: keys of attached components, in order; empty for the bare backbone.
        rows: *Shape:* ``(rows of the group,)``; indices into the batch, ascending.
    """

    components: tuple[str, ...]
    rows: Tensor


@dataclass(frozen=True)
class Routes:
    """The stacks of a batch: every row in exactly one group."""

    groups: tuple[Group, ...]
    size: int

    @classmethod
    def of(cls, stacks: Sequence[tuple[str, ...]]) -> Routes:
        """Routes from each row's stack, in the order of the rows."""
        members: dict[tuple[str, ...], list[int]] = {}
        for row, stack in enumerate(stacks):
            members.setdefault(stack, []).append(row)
        return cls(tuple(Group(stack, torch.tensor(rows)) for stack, rows in members.items()), len(stacks))

    @classmethod
    def uniform(cls, stack: tuple[str, ...], size: int) -> Routes:
        """Routes that send every row through one stack."""
        return cls((Group(stack, torch.arange(size)),), size)

    @classmethod
    def joined(cls, several: Sequence[Routes]) -> Routes:
        """The routes of several batches' rows, one batch below the other; rows of one stack are one group."""
        members: dict[tuple[str, ...], list[Tensor]] = {}
        size = 0
        for routes in several:
            for group in routes.groups:
                members.setdefault(group.components, []).append(group.rows + size)
            size += routes.size
        return cls(tuple(Group(stack, torch.cat(rows)) for stack, rows in members.items()), size)

    @property
    def stacks(self) -> list[tuple[str, ...]]:
        """Each row's stack, in the order of the rows."""
        found: list[tuple[str, ...]] = [()] * self.size
        for group in self.groups:
            for row in group.rows.tolist():
                found[row] = group.components
        return found

    def chosen(self, rows: Sequence[int]) -> Routes:
        """The routes of some of the rows."""
        stacks = self.stacks
        device = self.groups[0].rows.device if self.groups else "cpu"
        return Routes.of([stacks[row] for row in rows]).to(device)

    def repeated(self, times: int) -> Routes:
        """Each row's route `times` times in a row: with 3, row 2 becomes rows 6, 7 and 8."""
        if times == 1:
            return self
        offsets = torch.arange(times)
        groups = (
            Group(group.components, (group.rows[:, None] * times + offsets.to(group.rows.device)).flatten())
            for group in self.groups
        )
        return Routes(tuple(groups), self.size * times)

    def to(self, device: torch.device | str) -> Routes:
        """The same routes with their indices on a device."""
        return Routes(tuple(Group(group.components, group.rows.to(device)) for group in self.groups), self.size)

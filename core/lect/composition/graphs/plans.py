"""The slots of a batch: which kinds of parts are applied one after the other, and which of each kind to which rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lect.backbones.anatomy import Anatomy
from lect.composition.graphs.kinds import Kind, common_order, kind_of, layers_of
from lect.composition.graphs.recording import NotRecordableError
from lect.composition.graphs.tables import PartTable
from lect.composition.routes import Routes
from lect.parts import Part, in_order


@dataclass(frozen=True)
class Slot:
    """One place in the order in which the parts of a batch are applied.

    Args:
        table: of the parts of the place's kind.
        below: how many places of the same kind stand below.
        everywhere: whether all rows go through the same part.
    """

    table: PartTable
    below: int
    everywhere: bool


@dataclass(frozen=True)
class Plan:
    """The slots of a batch, and for each group of its rows the part in each of them; None where it has none there."""

    slots: tuple[Slot, ...]
    parts: tuple[tuple[Part | None, ...], ...]

    def like(self, place: int) -> Part:
        """One of the parts of a slot."""
        return next(part for parts in self.parts if (part := parts[place]) is not None)

    def rows(self, routes: Routes) -> Tensor:
        """For each slot and row of a batch, the row of the slot's table; 0 for none. *Shape:* ``(slots, rows)``."""
        order = torch.cat([group.rows for group in routes.groups])
        if not self.slots:
            return order.new_zeros(0, routes.size)
        counts = [len(group.rows) for group in routes.groups]
        found: list[list[int]] = []
        for place, slot in enumerate(self.slots):
            parts = [parts[place] for parts in self.parts]
            own = [0 if part is None else slot.table.row_of(part) for part in parts]
            found.append([row for row, count in zip(own, counts, strict=True) for _ in range(count)])
        given = torch.tensor(found, dtype=torch.long)
        if order.device.type == "cuda":
            # So that nothing waits for the copy.
            given = given.pin_memory()
        given = given.to(order.device, non_blocking=True)
        return torch.empty_like(given).index_copy_(1, order, given)


@dataclass(frozen=True)
class _Acting:
    """Inside of which layers a part acts, and the table of its kind, or why it is of none."""

    layers: frozenset[int]
    table: PartTable | str


class Planner:
    """Finds the slots of batches, and keeps the weights of the parts that stand in them side by side."""

    def __init__(self, anatomy: Anatomy) -> None:
        self._anatomy = anatomy
        self._acting: dict[Part, _Acting] = {}
        self._tables: dict[Kind, PartTable] = {}

    def plan(self, stacks: Sequence[Sequence[Part]], layers: range) -> Plan:
        """The slots of a batch, inside of these layers.

        Args:
            stacks: the parts of each group of the batch's rows, in the order of the stack.

        Raises:
            NotRecordableError: it has parts of no kind, or no one order of kinds.
        """
        acting = [
            [(part, self._table(part)) for part in in_order(stack) if not self._of(part).layers.isdisjoint(layers)]
            for stack in stacks
        ]
        numbers = [[table.number for _, table in stack] for stack in acting]
        order = common_order(numbers)
        if order is None:
            raise NotRecordableError("the stacks of the batch apply kinds of parts in different orders")
        placed: list[tuple[Part | None, ...]] = []
        for stack, own in zip(acting, numbers, strict=True):
            at = {(number, own[:place].count(number)): stack[place][0] for place, number in enumerate(own)}
            placed.append(tuple(at.get(place) for place in order))
        tables = {table.number: table for stack in acting for _, table in stack}
        everywhere = [len({parts[place] for parts in placed}) == 1 for place in range(len(order))]
        slots = (Slot(tables[number], below, same) for (number, below), same in zip(order, everywhere, strict=True))
        return Plan(tuple(slots), tuple(placed))

    def forget(self, part: Part) -> None:
        """Leave the part's place to others."""
        acting = self._acting.pop(part, None)
        if acting is not None and isinstance(acting.table, PartTable):
            acting.table.forget(part)

    def _of(self, part: Part) -> _Acting:
        if part not in self._acting:
            kind = kind_of(part)
            table: PartTable | str = kind if isinstance(kind, str) else self._table_of(kind)
            self._acting[part] = _Acting(layers_of(part, self._anatomy), table)
        return self._acting[part]

    def _table_of(self, kind: Kind) -> PartTable:
        if kind not in self._tables:
            self._tables[kind] = PartTable(kind, len(self._tables))
        return self._tables[kind]

    def _table(self, part: Part) -> PartTable:
        table = self._of(part).table
        if isinstance(table, str):
            raise NotRecordableError(table)
        return table

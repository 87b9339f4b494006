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

_MOST_STACKS = 4096


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
            row_of = {part: 0 if part is None else slot.table.row_of(part) for part in set(parts)}
            found.append([row_of[part] for part, count in zip(parts, counts, strict=True) for _ in range(count)])
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
        self._stacks: dict[tuple[tuple[Part, ...], range], tuple[tuple[Part, ...], tuple[int, ...]]] = {}

    def plan(self, stacks: Sequence[Sequence[Part]], layers: range) -> Plan:
        """The slots of a batch, inside of these layers.

        Args:
            stacks: the parts of each group of the batch's rows, in the order of the stack.

        Raises:
            NotRecordableError: it has parts of no kind, or no one order of kinds.
        """
        acting = [self._inside(tuple(stack), layers) for stack in stacks]
        forms = {numbers for _, numbers in acting}
        order = common_order(list(forms))
        if order is None:
            raise NotRecordableError("the stacks of the batch apply kinds of parts in different orders")
        places = {
            form: [order.index((number, form[:place].count(number))) for place, number in enumerate(form)]
            for form in forms
        }
        placed: list[tuple[Part | None, ...]] = []
        for parts, numbers in acting:
            own: list[Part | None] = [None] * len(order)
            for part, place in zip(parts, places[numbers], strict=True):
                own[place] = part
            placed.append(tuple(own))
        everywhere = [len({parts[place] for parts in placed}) == 1 for place in range(len(order))]
        tables = list(self._tables.values())
        slots = (Slot(tables[number], below, same) for (number, below), same in zip(order, everywhere, strict=True))
        return Plan(tuple(slots), tuple(placed))

    def _inside(self, stack: tuple[Part, ...], layers: range) -> tuple[tuple[Part, ...], tuple[int, ...]]:
        """The parts of a stack that act inside of these layers, in order, and the numbers of their kinds."""
        found = self._stacks.get((stack, layers))
        if found is None:
            if len(self._stacks) == _MOST_STACKS:
                self._stacks.clear()
            parts = tuple(part for part in in_order(stack) if not self._of(part).layers.isdisjoint(layers))
            found = self._stacks[stack, layers] = parts, tuple(self._table(part).number for part in parts)
        return found

    def forget(self, part: Part) -> None:
        """Leave the part's place to others."""
        self._stacks.clear()
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

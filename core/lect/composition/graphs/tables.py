"""The weights of all parts of one kind side by side, and of those of a batch, row by row, where a replay reads them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lect.composition.batched import RowParameter
from lect.composition.graphs.kinds import Kind, named_tensors
from lect.parts import Part

_ALIGNMENT = 64
"""Numbers to whose multiples every tensor's beginning is put off: kernels read those at round addresses faster."""


@dataclass
class _Entry:
    """Where a part stands in a table, and of which state it was written there."""

    row: int
    tensors: list[Tensor]
    state: tuple[int, ...] = ()


class PartTable:
    """The tensors of every part of a kind, one row a part.

    Attributes:
        number: of the kind.
        values: *Shape:* ``(parts that there is room for, numbers of a part)``; of rows that are free, any.
    """

    def __init__(self, kind: Kind, number: int) -> None:
        self.kind, self.number = kind, number
        self.offsets: list[int] = []
        size = 0
        for _, shape, _ in kind.tensors:
            self.offsets.append(size)
            size += -(-shape.numel() // _ALIGNMENT) * _ALIGNMENT
        self.values = torch.zeros(4, size, dtype=kind.dtype, device=kind.device)
        self._entries: dict[Part, _Entry] = {}
        self._free: list[int] = []

    def row_of(self, part: Part) -> int:
        """The part's row, written if it is new or was changed since."""
        entry = self._entries.get(part)
        if entry is None:
            entry = self._entries[part] = _Entry(self._free_row(), list(named_tensors(part).values()))
        # Whatever changes a tensor in place, such as a step of training, raises its version.
        state = (entry.tensors[0].data_ptr(), *[tensor._version for tensor in entry.tensors])
        if entry.state != state:
            for offset, tensor in zip(self.offsets, entry.tensors, strict=True):
                self.values[entry.row, offset : offset + tensor.numel()].copy_(tensor.detach().flatten())
            entry.state = state
        return entry.row

    def forget(self, part: Part) -> None:
        """Free the part's row."""
        entry = self._entries.pop(part, None)
        if entry is not None:
            self._free.append(entry.row)

    def _free_row(self) -> int:
        if self._free:
            return self._free.pop()
        row = len(self._entries)
        if row == len(self.values):
            self.values = torch.cat([self.values, torch.zeros_like(self.values)])
        return row


class RowBuffer:
    """Room for the tensors of one part for each row of a batch, and parts that are made of them.

    Attributes:
        parts: those that row 0, 1, … goes through: each is a part of the kind, with the row's tensors.
    """

    def __init__(self, table: PartTable, like: Part, rows: int) -> None:
        self._table = table
        self._values = table.values.new_zeros(rows, table.values.shape[1])
        tensors = named_tensors(like)
        own: list[Sequence[Tensor]] = []
        for offset, tensor in zip(table.offsets, tensors.values(), strict=True):
            of_rows = self._values[:, offset : offset + tensor.numel()].view(rows, *tensor.shape)
            own.append(RowParameter.each(of_rows) if isinstance(tensor, torch.nn.Parameter) else list(of_rows))
        self.parts: list[Part] = []
        for row in range(rows):
            # Wherever the copied part refers to one of its tensors, the copy refers to the row's.
            memo = {id(tensor): of_row[row] for tensor, of_row in zip(tensors.values(), own, strict=True)}
            self.parts.append(copy.deepcopy(like, memo))

    @property
    def rows(self) -> int:
        """The most rows that there is room for."""
        return len(self.parts)

    @property
    def size(self) -> int:
        """In bytes."""
        return self._values.numel() * self._values.element_size()

    def fill(self, rows: Tensor) -> None:
        """Bring the table's rows here. *Shape:* ``(rows of the batch,)``."""
        torch.index_select(self._table.values, 0, rows, out=self._values[: len(rows)])

"""The weights of all parts of one kind side by side, and of those of a batch, row by row, where a replay reads them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import torch
from torch import Tensor

from lect.composition.batched import RowParameter
from lect.composition.graphs.kinds import Kind, named_tensors
from lect.parts import Part

_version = attrgetter("_version")
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
        values: zeros, then a row for each part, or with room for one. *Shape:* ``(rows, numbers of a part)``.
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
        """The part's row, written if it is new or was changed since; 1 at least."""
        entry = self._entries.get(part)
        if entry is None:
            entry = self._entries[part] = _Entry(self._free_row(), list(named_tensors(part).values()))
        # Whatever changes a tensor in place, such as a step of training, raises its version.
        state = (entry.tensors[0].data_ptr(), *map(_version, entry.tensors))
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
        row = len(self._entries) + 1
        if row == len(self.values):
            self.values = torch.cat([self.values, torch.zeros_like(self.values)])
        return row


class RowBuffer:
    """Room for the tensors of one part for each row of a batch, and parts that are made of them.

    Args:
        like: a part of the kind.
        rounded: a type in which the tensors are kept, too, for products that are computed in it.

    Attributes:
        parts: those that row 0, 1, … goes through: each is a part of the kind, with the row's tensors.
    """

    def __init__(self, table: PartTable, like: Part, rows: int, rounded: torch.dtype | None) -> None:
        self._table = table
        self._values = table.values.new_zeros(rows, table.values.shape[1])
        self._rounded = None if rounded is None else self._values.to(rounded)
        tensors = named_tensors(like)
        own: list[Sequence[Tensor]] = []
        for offset, tensor in zip(table.offsets, tensors.values(), strict=True):
            shape, place = (rows, *tensor.shape), slice(offset, offset + tensor.numel())
            of_rows = self._values[:, place].view(shape)
            if isinstance(tensor, torch.nn.Parameter):
                low = None if self._rounded is None else self._rounded[:, place].view(shape)
                own.append(RowParameter.each(of_rows, low))
            else:
                own.append(list(of_rows))
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
        return sum(
            values.numel() * values.element_size() for values in (self._values, self._rounded) if values is not None
        )

    def fill(self, rows: Tensor) -> None:
        """Bring the table's rows here. *Shape:* ``(rows of the batch,)``."""
        own = self._values[: len(rows)]
        torch.index_select(self._table.values, 0, rows, out=own)
        if self._rounded is not None:
            # At once, and not tensor by tensor in the recording.
            self._rounded[: len(rows)].copy_(own)

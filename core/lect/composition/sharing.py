"""Rows of one text share the layers below which their stacks do not differ: these are computed once.

A stack whose parts act in the upper layers alone, such as a task's, leaves the layers below as they are for every other
stack with the same language part.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lect.composition.model import RoutedModel
from lect.composition.rows import EncodedRows

_WORTH = 0.1
"""Less of all rows' layers than this is not worth two passes."""


def hidden_states(model: RoutedModel, rows: EncodedRows) -> Tensor:
    """What `model` gives for the rows, with what they share computed once, *Shape:* ``(rows, length, hidden)``."""
    shared, span = shared_layers(model, rows), None
    if shared is not None:
        lower = model(rows.chosen(shared.first), model.span(stop=shared.depth))
        span = model.span(start=shared.depth, given=lower[torch.tensor(shared.of, device=lower.device)])
    states: Tensor = model(rows, span)
    return states


@dataclass(frozen=True)
class SharedLayers:
    """What rows of a batch have in common.

    Args:
        depth: so many of the lowest layers are computed once for each row in `first`.
        first: rows that stand for all others like them.
        of: for each row, the place in `first` of the one that is like it.
    """

    depth: int
    first: tuple[int, ...]
    of: tuple[int, ...]


def shared_layers(model: RoutedModel, rows: EncodedRows) -> SharedLayers | None:
    """The depth at which sharing saves most, or None where it would save too little to be worth a second pass."""
    texts = _texts(rows)
    if len(set(texts)) == rows.size:
        return None
    stacks = rows.routes.stacks
    depths = model.depths(stacks)
    best: SharedLayers | None = None
    most = _WORTH * rows.size * (depths[-1] if depths else 0)
    for depth in depths:
        numbers: dict[tuple[object, ...], int] = {}
        parts = {stack: model.parts_below(stack, depth) for stack in set(stacks)}
        first, of = [], []
        for row, (text, stack) in enumerate(zip(texts, stacks, strict=True)):
            number = numbers.setdefault((text, parts[stack]), len(numbers))
            if number == len(first):
                first.append(row)
            of.append(number)
        saved = depth * (rows.size - len(first))
        if saved > most:
            best, most = SharedLayers(depth, tuple(first), tuple(of)), saved
    return best


def _texts(rows: EncodedRows) -> list[tuple[bytes, ...]]:
    """Each row's tokens, as something to be compared."""
    columns = [rows.input_ids, rows.attention_mask]
    if rows.token_type_ids is not None:
        columns.append(rows.token_type_ids)
    read = [column.cpu().numpy() for column in columns]
    return [tuple(column[row].tobytes() for column in read) for row in range(rows.size)]

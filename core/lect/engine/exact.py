"""Hidden states that are the same bytes whatever else is computed beside them.

A matrix product is summed in an order that hangs on its shape, and so do the last bits of what it gives. Here every
shape follows from a row alone: the row is filled up to one of a few lengths, and goes through the backbone in a block
of as many rows as that length always has, of padding where there are no others. What differs between the rows of a
block, the parts of their stacks, acts on one row at a time (`RoutedModel.acts_by_row`); pooling and heads get the rows
of one example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.composition.sites import RowsMismatchError

Keys = tuple[str, ...]
Computing = Callable[[], AbstractContextManager[None]]
"""Gives a block that has the model for itself."""

_TOKENS = 256
"""The most tokens of a block of several rows: a lone text pays for all of them, and products of fewer are slower."""
_STEPS = ((64, 8), (128, 16), (256, 32))
"""Up to each of these lengths, the multiples that rows are filled up to; 64 beyond."""


@dataclass(frozen=True)
class _Row:
    """A row to be computed: of which example, where in it, its tokens and its stack."""

    example: int
    place: int
    encoding: Any
    keys: Keys


@dataclass(frozen=True)
class _Padding:
    """A row that fills a block up."""

    ids: tuple[int, ...] = ()
    type_ids: tuple[int, ...] = ()
    overflowing: bool = False


def exact_passes(
    encoder: RowEncoder, examples: Sequence[tuple[Sequence[Any], Keys]], computing: Computing, device: torch.device
) -> Iterator[tuple[list[int], Tensor, EncodedRows]]:
    """The hidden states of examples, one example at a time, as soon as they are done.

    Args:
        examples: the rows of each, as the tokenizer gives them, and its stack.

    Returns:
        The example's index, in a list, its rows' hidden states, *Shape:* ``(rows, length, hidden)``, and the rows.
    """
    waiting: dict[int, dict[int, Tensor]] = {}
    rows = [
        _Row(example, place, encoding, keys)
        for example, (own, keys) in enumerate(examples)
        for place, encoding in enumerate(own)
    ]
    for row, states in _states(encoder, rows, computing, device):
        found = waiting.setdefault(row.example, {})
        found[row.place] = states
        encodings, keys = examples[row.example]
        if len(found) < len(encodings):
            continue
        batch = encoder.assemble(encodings, Routes.uniform(keys, len(encodings))).to(device)
        hidden = states.new_zeros(len(encodings), batch.length, states.shape[1])
        for place, own in waiting.pop(row.example).items():
            hidden[place, : len(own)] = own
        yield [row.example], hidden, batch


def padded_length(tokens: int, most: int) -> int:
    """The length that a row of so many tokens is filled up to; at least one more, where the backbone takes as many.

    Were no row of a block filled up, attention would be computed without a mask, and otherwise.
    """
    step = next((multiple for length, multiple in _STEPS if tokens < length), 64)
    return min((tokens // step + 1) * step, max(most, tokens))


def rows_of_block(length: int, most: int) -> int:
    """How many rows a block of this length has; one of the backbone's longest, which may be full."""
    return 1 if length >= most else max(1, _TOKENS // length)


def _states(
    encoder: RowEncoder, rows: Sequence[_Row], computing: Computing, device: torch.device
) -> Iterator[tuple[_Row, Tensor]]:
    """Every row with its hidden states, *Shape:* ``(tokens, hidden)``."""
    most = encoder.model.backbone.max_length
    by_length: dict[int, list[_Row]] = {}
    for row in rows:
        by_length.setdefault(padded_length(max(1, len(row.encoding.ids)), most), []).append(row)
    for length, own in by_length.items():
        count = rows_of_block(length, most)
        # Rows of one stack side by side: fewer blocks have to be taken apart where rows of several cannot go together.
        own.sort(key=lambda row: row.keys)
        for start in range(0, len(own), count):
            yield from _block(encoder, own[start : start + count], (count, length), computing, device)


def _block(
    encoder: RowEncoder, rows: Sequence[_Row], shape: tuple[int, int], computing: Computing, device: torch.device
) -> Iterator[tuple[_Row, Tensor]]:
    model, (count, length) = encoder.model, shape
    missing = count - len(rows)
    stacks = [row.keys for row in rows]
    # What fills up has the first row's stack, so that a block of one stack is no mixed one.
    routes = Routes.of([*stacks, *[stacks[0]] * missing])
    encodings = [*(row.encoding for row in rows), *[_Padding()] * missing]
    batch = encoder.assemble(encodings, routes, length).to(device)
    try:
        with computing(), _by_row(model):
            hidden = model(batch)
    except RowsMismatchError:
        for stack in dict.fromkeys(stacks):
            yield from _block(encoder, [row for row in rows if row.keys == stack], shape, computing, device)
        return
    for row, states in zip(rows, hidden, strict=False):
        yield row, states[: max(1, len(row.encoding.ids))]


@contextmanager
def _by_row(model: RoutedModel) -> Iterator[None]:
    """A block in which parts act on one row at a time."""
    model.acts_by_row = True
    try:
        yield
    finally:
        model.acts_by_row = False

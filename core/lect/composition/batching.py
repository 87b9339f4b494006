"""Rows in batches of like length, so that little is padding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

Row = TypeVar("Row")

TOKENS_PER_BATCH = 4096
MOST_AT_ONCE = 16_384
"""Of a longer corpus so many rows are tokenised at a time."""
_FIRST = 64


def batches_by_length(
    lengths: Sequence[int], tokens: int = TOKENS_PER_BATCH, texts: Sequence[Any] | None = None
) -> list[list[int]]:
    """Indices in batches of like length, each of at most `tokens` tokens when padded (at least one row a batch).

    Args:
        texts: something to sort rows of one length by, so that rows of one text stand together.
    """
    order: Sequence[Any] = lengths if texts is None else list(zip(lengths, texts, strict=True))
    batches: list[list[int]] = []
    current: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: order[index], reverse=True):
        longest = lengths[current[0]] if current else lengths[index]
        if current and longest * (len(current) + 1) > tokens:
            batches.append(current)
            current = []
        current.append(index)
    return [*batches, current] if current else batches


def stretches(rows: Iterable[Row], most: int = MOST_AT_ONCE) -> Iterator[Sequence[Row]]:
    """Rows in stretches that are held in memory together, in their order.

    A sequence is cut into stretches of `most`. Of an iterator, which may be slow or endless, the first stretch is
    short, so that what is made of it is there soon, and each later one twice as long.
    """
    if isinstance(rows, Sequence):
        yield from (rows[start : start + most] for start in range(0, len(rows), most))
        return
    iterator, count = iter(rows), min(_FIRST, most)
    while stretch := list(islice(iterator, count)):
        yield stretch
        count = min(2 * count, most)

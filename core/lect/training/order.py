"""In which order a run sees its rows: random by seed, rows of like length together."""

from __future__ import annotations

import random
from collections.abc import Sequence

_BATCHES_SORTED_TOGETHER = 32


def epoch_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """The batches of one epoch, as indices; every row exactly once.

    Rows are shuffled, sorted by length within stretches of a few dozen batches, and the batches shuffled again: little
    padding, and hardly less random. The result depends on nothing but the arguments.
    """
    generator = random.Random(f"{seed}/{epoch}")
    order = list(range(len(lengths)))
    generator.shuffle(order)
    stretch = batch_size * _BATCHES_SORTED_TOGETHER
    batches: list[list[int]] = []
    for start in range(0, len(order), stretch):
        rows = sorted(order[start : start + stretch], key=lambda row: lengths[row])
        batches.extend(rows[first : first + batch_size] for first in range(0, len(rows), batch_size))
    generator.shuffle(batches)
    return batches

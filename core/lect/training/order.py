"""In which order a run sees its rows: random by seed, rows of like length together."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

SORTED_TOGETHER = 32
"""The forward passes over whose rows lengths are sorted: little padding, and hardly less random."""

Indices = Sequence[int]


@dataclass(frozen=True)
class StepRows:
    """The rows of one optimiser step.

    Args:
        passes: for each forward pass, for each learner, the indices of its rows.
        ends_epoch: whether an epoch ends with this step.
    """

    passes: Sequence[Sequence[Indices]]
    ends_epoch: bool


def steps_an_epoch(rows: int, batch_size: int, accumulation: int) -> int:
    """The optimiser steps in which so many rows are seen."""
    return math.ceil(math.ceil(rows / batch_size) / accumulation)


def single_steps(lengths: Sequence[int], batch_size: int, accumulation: int, seed: int) -> Iterator[StepRows]:
    """The steps of a run with one learner, without end: epoch after epoch, every row once in each."""
    for epoch in count():
        batches = epoch_batches(lengths, batch_size, seed, epoch)
        for first in range(0, len(batches), accumulation):
            step = batches[first : first + accumulation]
            yield StepRows([[batch] for batch in step], first + accumulation >= len(batches))


def count_steps(epochs: Iterator[StepRows], number: int) -> int:
    """The steps that so many epochs take."""
    steps = 0
    for step in epochs:
        steps += 1
        number -= step.ends_epoch
        if number == 0:
            break
    return steps


def cut_by_budget(order: Sequence[int], lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Rows in batches of at most so many pieces, padding counted; a row that is longer is a batch of its own.

    Args:
        order: the rows as indices, the shortest first.
        lengths: the pieces of each row.
    """
    batches: list[list[int]] = []
    current: list[int] = []
    for row in order:
        # The newest is the longest: all others are padded to it.
        if current and max(lengths[row], 1) * (len(current) + 1) > tokens:
            batches.append(current)
            current = []
        current.append(row)
    return [*batches, current] if current else batches


def dealt(passes: Sequence[Sequence[Indices]], process: int, processes: int) -> list[list[Indices]]:
    """What one of several processes takes of a step's passes, as places in each learner's indices.

    Every so manieth row, counted on from learner to learner, so that single rows of many learners do not all fall to
    the first process; each row exactly once. Rows of a pass are of like length, so that all get as much to do.
    """
    taken: list[list[Indices]] = []
    for learners in passes:
        first, own = 0, list[Indices]()
        for indices in learners:
            own.append(range((process - first) % processes, len(indices), processes))
            first += len(indices)
        taken.append(own)
    return taken


def epoch_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """The batches of one epoch, as indices; every row exactly once.

    Rows are shuffled, sorted by length within stretches of a few dozen batches, and the batches shuffled again. The
    result depends on nothing but the arguments.
    """
    generator = random.Random(f"{seed}/{epoch}")
    order = list(range(len(lengths)))
    generator.shuffle(order)
    stretch = batch_size * SORTED_TOGETHER
    batches: list[list[int]] = []
    for start in range(0, len(order), stretch):
        rows = sorted(order[start : start + stretch], key=lambda row: lengths[row])
        batches.extend(rows[first : first + batch_size] for first in range(0, len(rows), batch_size))
    generator.shuffle(batches)
    return batches

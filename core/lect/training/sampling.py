"""In which order a run sees its rows, and whose: random by seed, rows of like length together.

Where several components are trained, rows are drawn by temperature, and each component's own come in shuffled epochs. A
row is of a component with n rows and weight w with a probability in proportion to ``(w n)^(1/T)``: by its share of the
rows for T = 1, more evenly the higher T is. So multilingual BERT was trained, and XLM and XLM-R with α = 1/T (Conneau
and Lample 2019, section 3.1; Conneau et al. 2020, section 3.1).

A pass has as many rows of a component as it expects, rounded up or down at random so that the expectation is kept
(systematic sampling, Madow 1949): components see batches of even size, and not of none now and many then.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count, pairwise

SORTED_TOGETHER = 32
"""The forward passes over whose rows lengths are sorted: little padding, and hardly less random."""

Indices = Sequence[int]


@dataclass(frozen=True)
class StepRows:
    """The rows of one optimiser step.

    Args:
        passes: for each forward pass, for each component, the indices of its rows.
        ends_epoch: whether an epoch ends with this step.
    """

    passes: Sequence[Sequence[Indices]]
    ends_epoch: bool


def steps_an_epoch(rows: int, batch_size: int, accumulation: int) -> int:
    """The optimiser steps in which so many rows are seen."""
    return math.ceil(math.ceil(rows / batch_size) / accumulation)


def single_steps(lengths: Sequence[int], batch_size: int, accumulation: int, seed: int) -> Iterator[StepRows]:
    """The steps of a run with one component, without end: epoch after epoch, every row once in each."""
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
    """Rows in batches of at most so many tokens, padding counted; a row that is longer is a batch of its own.

    Args:
        order: the rows as indices, the shortest first.
        lengths: the tokens of each row.
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


def rows_of_process(passes: Sequence[Sequence[Indices]], process: int, processes: int) -> list[list[Indices]]:
    """What one of several processes takes of a step's passes, as places in each component's indices.

    Every so manieth row, counted on from component to component: single rows of many components do not all fall to
    the first process; each row exactly once. Rows of a pass are of like length, so that all get as much to do.
    """
    taken: list[list[Indices]] = []
    for components in passes:
        first, own = 0, list[Indices]()
        for indices in components:
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


def probabilities(sizes: Sequence[int], weights: Sequence[float], temperature: float) -> list[float]:
    """How likely a row is each component's; the sum is 1.

    Args:
        sizes: the components' numbers of rows, at least 1 each.
        weights: above 0.
        temperature: above 0.
    """
    # By logarithms: a power of a large number need not be a float.
    logs = [math.log(weight * size) / temperature for size, weight in zip(sizes, weights, strict=True)]
    powers = [math.exp(log - max(logs)) for log in logs]
    return [power / sum(powers) for power in powers]


def mixed_steps(
    lengths: Sequence[Sequence[int]], shares: Sequence[float], batch_size: int, accumulation: int, seed: int
) -> Iterator[StepRows]:
    """The steps of a run with several components, without end.

    No row of a component comes again before all its rows have come. Rows of like length come in one pass, also those of
    different components. The result depends on nothing but the arguments.

    Args:
        lengths: for each component, the length of each of its rows.
        shares: for each component, how likely a row is its own.
    """
    an_epoch = steps_an_epoch(sum(map(len, lengths)), batch_size, accumulation)
    passes = _passes(lengths, shares, batch_size, seed)
    for step in count(1):
        yield StepRows([next(passes) for _ in range(accumulation)], step % an_epoch == 0)


def budget_steps(
    lengths: Sequence[Sequence[int]], shares: Sequence[float], batch_tokens: int, accumulation: int, seed: int
) -> Iterator[StepRows]:
    """The steps of a run whose passes have at most so many tokens, padding counted, without end.

    As `mixed_steps` otherwise, also for a single component: an epoch is as many rows as all components have together.
    How many steps it takes depends on which rows fall together, so that one epoch may have a step more than another.

    Args:
        lengths: for each component, the length of each of its rows.
        shares: for each component, how likely a row is its own.
    """
    walks = [_epochs(len(own), f"{seed}/{component}") for component, own in enumerate(lengths)]
    ahead: list[list[int]] = [[] for _ in lengths]
    rows_an_epoch = sum(map(len, lengths))
    mean = max(1.0, sum(share * sum(own) / len(own) for own, share in zip(lengths, shares, strict=True)))
    stretch = max(1, round(SORTED_TOGETHER * batch_tokens / mean))
    for epoch in count():
        generator = random.Random(f"{seed}/budget/{epoch}")
        passes: list[list[list[int]]] = []
        for first in range(0, rows_an_epoch, stretch):
            drawn = draw_counts(shares, min(stretch, rows_an_epoch - first), generator)
            rows: list[tuple[int, int]] = []
            for component, number in enumerate(drawn):
                while number:
                    if not ahead[component]:
                        ahead[component] = next(walks[component])
                    taken, ahead[component] = ahead[component][:number], ahead[component][number:]
                    rows += [(component, row) for row in taken]
                    number -= len(taken)
            own_lengths = [lengths[component][row] for component, row in rows]
            order = sorted(range(len(rows)), key=own_lengths.__getitem__)
            for batch in cut_by_budget(order, own_lengths, batch_tokens):
                columns: list[list[int]] = [[] for _ in lengths]
                for place in batch:
                    component, row = rows[place]
                    columns[component].append(row)
                passes.append(columns)
        generator.shuffle(passes)
        for first in range(0, len(passes), accumulation):
            yield StepRows(passes[first : first + accumulation], first + accumulation >= len(passes))


def draw_counts(shares: Sequence[float], batch_size: int, generator: random.Random) -> list[int]:
    """How many of a pass's rows are whose: `batch_size` in all, each less than 1 from its expectation."""
    shift = generator.random()
    ends = [batch_size * share for share in accumulate(shares)]
    ends[-1] = batch_size
    marks = [0, *(math.ceil(end - shift) for end in ends)]
    return [after - before for before, after in pairwise(marks)]


def _passes(
    lengths: Sequence[Sequence[int]], shares: Sequence[float], batch_size: int, seed: int
) -> Iterator[list[list[int]]]:
    walks = [_epochs(len(own), f"{seed}/{component}") for component, own in enumerate(lengths)]
    ahead: list[list[int]] = [[] for _ in lengths]
    for stretch in count():
        generator = random.Random(f"{seed}/mix/{stretch}")
        counts = [draw_counts(shares, batch_size, generator) for _ in range(SORTED_TOGETHER)]
        # The passes in the order of their rows' lengths, the same for all components.
        by_length = list(range(SORTED_TOGETHER))
        generator.shuffle(by_length)
        passes: list[list[list[int]]] = [[[] for _ in lengths] for _ in counts]
        for component, own in enumerate(lengths):
            places = [place for place, drawn in enumerate(counts) for _ in range(drawn[component])]
            while places:
                if not ahead[component]:
                    ahead[component] = next(walks[component])
                # Of one epoch at a time: sorting must not move a row before others that have not come yet.
                taken = min(len(places), len(ahead[component]))
                rows = sorted(ahead[component][:taken], key=own.__getitem__)
                for place, row in zip(sorted(places[:taken], key=by_length.__getitem__), rows, strict=True):
                    passes[place][component].append(row)
                places, ahead[component] = places[taken:], ahead[component][taken:]
        yield from passes


def _epochs(size: int, seed: str) -> Iterator[list[int]]:
    for epoch in count():
        rows = list(range(size))
        random.Random(f"{seed}/{epoch}").shuffle(rows)
        yield rows

"""Whose rows a run with several learners sees: drawn by temperature, each learner's own in shuffled epochs.

A row is of a learner with n rows and weight w with a probability in proportion to ``(w n)^(1/T)``: by its share of the
rows for T = 1, more evenly the higher T is. So multilingual BERT was trained, and XLM and XLM-R with α = 1/T (Conneau
and Lample 2019, section 3.1; Conneau et al. 2020, section 3.1).

A pass has as many rows of a learner as it expects, rounded up or down at random so that the expectation is kept
(systematic sampling, Madow 1949): learners see batches of even size, and not of none now and many then.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from itertools import accumulate, count, pairwise

from lect.training.order import SORTED_TOGETHER, StepRows, cut_by_budget, steps_an_epoch


def probabilities(sizes: Sequence[int], weights: Sequence[float], temperature: float) -> list[float]:
    """How likely a row is each learner's; the sum is 1.

    Args:
        sizes: the learners' numbers of rows, at least 1 each.
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
    """The steps of a run with several learners, without end.

    No row of a learner comes again before all its rows have come. Rows of like length come in one pass, also those of
    different learners. The result depends on nothing but the arguments.

    Args:
        lengths: for each learner, the length of each of its rows.
        shares: for each learner, how likely a row is its own.
    """
    an_epoch = steps_an_epoch(sum(map(len, lengths)), batch_size, accumulation)
    passes = _passes(lengths, shares, batch_size, seed)
    for step in count(1):
        yield StepRows([next(passes) for _ in range(accumulation)], step % an_epoch == 0)


def budget_steps(
    lengths: Sequence[Sequence[int]], shares: Sequence[float], batch_tokens: int, accumulation: int, seed: int
) -> Iterator[StepRows]:
    """The steps of a run whose passes have at most so many pieces, padding counted, without end.

    As `mixed_steps` otherwise, also for a single learner: an epoch is as many rows as all learners have together. How
    many steps it takes depends on which rows fall together, so that one epoch may have a step more than another.

    Args:
        lengths: for each learner, the length of each of its rows.
        shares: for each learner, how likely a row is its own.
    """
    walks = [_epochs(len(own), f"{seed}/{learner}") for learner, own in enumerate(lengths)]
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
            for learner, number in enumerate(drawn):
                while number:
                    if not ahead[learner]:
                        ahead[learner] = next(walks[learner])
                    taken, ahead[learner] = ahead[learner][:number], ahead[learner][number:]
                    rows += [(learner, row) for row in taken]
                    number -= len(taken)
            own_lengths = [lengths[learner][row] for learner, row in rows]
            order = sorted(range(len(rows)), key=own_lengths.__getitem__)
            for batch in cut_by_budget(order, own_lengths, batch_tokens):
                columns: list[list[int]] = [[] for _ in lengths]
                for place in batch:
                    learner, row = rows[place]
                    columns[learner].append(row)
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
    walks = [_epochs(len(own), f"{seed}/{learner}") for learner, own in enumerate(lengths)]
    ahead: list[list[int]] = [[] for _ in lengths]
    for stretch in count():
        generator = random.Random(f"{seed}/mix/{stretch}")
        counts = [draw_counts(shares, batch_size, generator) for _ in range(SORTED_TOGETHER)]
        # The passes in the order of their rows' lengths, the same for all learners.
        by_length = list(range(SORTED_TOGETHER))
        generator.shuffle(by_length)
        passes: list[list[list[int]]] = [[[] for _ in lengths] for _ in counts]
        for learner, own in enumerate(lengths):
            places = [place for place, drawn in enumerate(counts) for _ in range(drawn[learner])]
            while places:
                if not ahead[learner]:
                    ahead[learner] = next(walks[learner])
                # Of one epoch at a time: sorting must not move a row before others that have not come yet.
                taken = min(len(places), len(ahead[learner]))
                rows = sorted(ahead[learner][:taken], key=own.__getitem__)
                for place, row in zip(sorted(places[:taken], key=by_length.__getitem__), rows, strict=True):
                    passes[place][learner].append(row)
                places, ahead[learner] = places[taken:], ahead[learner][taken:]
        yield from passes


def _epochs(size: int, seed: str) -> Iterator[list[int]]:
    for epoch in count():
        rows = list(range(size))
        random.Random(f"{seed}/{epoch}").shuffle(rows)
        yield rows

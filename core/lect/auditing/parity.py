"""Whether groups of rows are answered equally well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from lect.auditing.report import GroupScore, Parity
from lect.evaluation.bootstrap import bootstrap
from lect.evaluation.counted import counted
from lect.specs import MetricSpec

_PERMUTATIONS = 999
_ONE_BY_ONE = 199
"""As many of a metric that has no form for all at once."""


def parity(
    metric: MetricSpec, by: str, groups: Sequence[str], truth: Sequence[str], answers: Sequence[str], *, seed: int = 0
) -> Parity:
    """Each group's main score, and the gap between the best and the worst one.

    Args:
        groups: each row's group; at least two distinct ones.

    Raises:
        ValueError: there are fewer than two groups.
    """
    names = sorted(set(groups))
    if len(names) < 2:
        raise ValueError("there are fewer than two groups")
    labels = sorted({*truth, *answers})
    scores = []
    for name in names:
        rows = [row for row, group in enumerate(groups) if group == name]
        true, own = [truth[row] for row in rows], [answers[row] for row in rows]
        interval = bootstrap(metric.compute, true, own, seed=seed)[metric.main]
        scores.append(
            GroupScore(
                name,
                len(rows),
                interval.value,
                interval.low,
                interval.high,
                _shares(own, labels),
                _shares(true, labels),
            )
        )
    best, worst = max(scores, key=lambda each: each.value), min(scores, key=lambda each: each.value)
    down = ((best.value - best.low) ** 2 + (worst.high - worst.value) ** 2) ** 0.5
    up = ((best.high - best.value) ** 2 + (worst.value - worst.low) ** 2) ** 0.5
    gap = best.value - worst.value
    chance = _chance(metric, groups, truth, answers, gap, seed)
    return Parity(by, metric.main, tuple(scores), gap, max(0.0, gap - down), gap + up, chance)


def _chance(
    metric: MetricSpec, groups: Sequence[str], truth: Sequence[str], answers: Sequence[str], gap: float, seed: int
) -> float:
    generator = np.random.default_rng(seed)
    ends = np.cumsum(list(Counter(groups).values()))
    fast = counted(metric.compute)
    count = _PERMUTATIONS if fast else _ONE_BY_ONE
    orders = [generator.permutation(len(truth)) for _ in range(count)]
    values = []
    for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        dealt = [order[start:end] for order in orders]
        if fast is None:
            values.append([_value(metric, [truth[i] for i in rows], [answers[i] for i in rows]) for rows in dealt])
            continue
        pairs = [fast.row(true, answer) for true, answer in zip(truth, answers, strict=True)]
        distinct = list(dict.fromkeys(pairs))
        numbers = np.array([distinct.index(pair) for pair in pairs])
        counts = np.array([np.bincount(numbers[rows], minlength=len(distinct)) for rows in dealt], dtype=np.float64)
        true, own = zip(*distinct, strict=True)
        values.append(fast.scores(true, own, counts)[metric.main].tolist())
    spread = np.max(values, axis=0) - np.min(values, axis=0)
    return (int((spread >= gap - 1e-12).sum()) + 1) / (count + 1)


def _value(metric: MetricSpec, truth: Sequence[str], answers: Sequence[str]) -> float:
    return metric.compute(truth, answers)[metric.main]


def _shares(values: Sequence[str], labels: Sequence[str]) -> Mapping[str, float]:
    counts = Counter(values)
    return {label: counts[label] / len(values) for label in labels}

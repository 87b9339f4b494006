"""Confidence intervals from resampled rows: the percentile bootstrap, of one system and of two on the same rows.

Efron, B. & Tibshirani, R. (1993). An Introduction to the Bootstrap, chapters 13 and 16. For two systems: Koehn, P.
(2004). Statistical Significance Tests for Machine Translation Evaluation. EMNLP.

The rows are what is resampled, so the intervals say what other test rows would change. What another seed of training
would change they do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lect.evaluation.counted import CountedMetric, counted
from lect.scores import Direction, direction_of, gain_of

Compute = Callable[[Sequence[Any], Sequence[Any]], Mapping[str, float]]
CELLS_AT_ONCE = 4_000_000
"""The largest number of draws that are held at once, over all resamples."""


@dataclass(frozen=True)
class Interval:
    """A score and its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Gain:
    """How much better one system is than another, and how sure that is.

    Args:
        value: the first system's score less the second's: below 0 of a score that is better the lower.
        low: the lower end of its confidence interval.
        high: the upper end.
        share_not_positive: the share of resamples in which the first system was no better.
    """

    value: float
    low: float
    high: float
    share_not_positive: float


def bootstrap(
    compute: Compute,
    truth: Sequence[Any],
    predicted: Sequence[Any],
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Every score of a metric, with its percentile interval over resampled rows.

    A score that not every resample has (F1 of a label that was not drawn) has the interval of those that have it. Any
    metric will do; those of `lect` itself are computed for all resamples at once.

    Args:
        compute: maps true and predicted values to named scores, as `lect.specs.MetricSpec` has it.

    Raises:
        ValueError: there are no rows or not as many predictions as rows.
    """
    values = compute(truth, predicted)
    drawn = _resampled(compute, truth, (predicted,), resamples, seed)
    return {name: Interval(value, *_percentiles(drawn[0][name], confidence, value)) for name, value in values.items()}


def paired_bootstrap(
    compute: Compute,
    truth: Sequence[Any],
    first: Sequence[Any],
    second: Sequence[Any],
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    directions: Mapping[str, Direction] | None = None,
) -> dict[str, Gain]:
    """How much better the first system is than the second, by every score: both are scored on the same resamples.

    Args:
        directions: which way scores are better, as `lect.scores.direction_of` takes them.

    Raises:
        ValueError: there are no rows or not as many predictions of either system as rows.
    """
    ours, theirs = compute(truth, first), compute(truth, second)
    drawn_ours, drawn_theirs = _resampled(compute, truth, (first, second), resamples, seed)
    gains = {}
    for name in (name for name in ours if name in theirs):
        value = ours[name] - theirs[name]
        differences = drawn_ours[name] - drawn_theirs[name]
        known = differences[~np.isnan(differences)]
        gained = (known if len(known) else np.array([value])) * gain_of(1, 0, direction_of(name, directions or {}))
        share = float(np.mean(gained <= 0))
        gains[name] = Gain(value, *_percentiles(differences, confidence, value), share)
    return gains


def _resampled(
    compute: Compute, truth: Sequence[Any], systems: Sequence[Sequence[Any]], resamples: int, seed: int
) -> list[dict[str, NDArray[np.float64]]]:
    """For each system its scores in every resample, by name; not a number where a resample does not have a score."""
    generator = np.random.default_rng(seed)
    metric = counted(compute)
    if metric is None:
        return _row_by_row(compute, truth, systems, resamples, generator)
    return _by_counts(metric, truth, systems, resamples, generator)


def _by_counts(
    metric: CountedMetric,
    truth: Sequence[Any],
    systems: Sequence[Sequence[Any]],
    resamples: int,
    generator: np.random.Generator,
) -> list[dict[str, NDArray[np.float64]]]:
    rows = Counter(
        tuple(metric.row(true, answer) for answer in answers) for true, *answers in zip(truth, *systems, strict=True)
    )
    # The order is that of first occurrence, which the data alone decides: the same seed draws the same resamples.
    distinct, shares = list(rows), np.array(list(rows.values())) / len(truth)
    chunks: list[list[Mapping[str, NDArray[np.float64]]]] = [[] for _ in systems]
    for size in _sizes(resamples, len(distinct)):
        counts = generator.multinomial(len(truth), shares, size=size).astype(np.float64)
        for place, chunk in enumerate(chunks):
            true, answers = zip(*(row[place] for row in distinct), strict=True)
            chunk.append(metric.scores(true, answers, counts))
    return [{name: np.concatenate([scores[name] for scores in chunk]) for name in chunk[0]} for chunk in chunks]


def _sizes(resamples: int, distinct: int) -> Iterator[int]:
    """How many resamples to draw at once, so that large data do not fill the memory."""
    most = max(1, CELLS_AT_ONCE // distinct)
    for start in range(0, resamples, most):
        yield min(most, resamples - start)


def _row_by_row(
    compute: Compute,
    truth: Sequence[Any],
    systems: Sequence[Sequence[Any]],
    resamples: int,
    generator: np.random.Generator,
) -> list[dict[str, NDArray[np.float64]]]:
    names = [list(compute(truth, predicted)) for predicted in systems]
    drawn = [{name: np.full(resamples, np.nan) for name in known} for known in names]
    for place in range(resamples):
        rows = generator.integers(len(truth), size=len(truth)).tolist()
        true = [truth[row] for row in rows]
        for scores, predicted in zip(drawn, systems, strict=True):
            computed = compute(true, [predicted[row] for row in rows])
            for name, values in scores.items():
                values[place] = computed.get(name, np.nan)
    return drawn


def _percentiles(values: NDArray[np.float64], confidence: float, otherwise: float) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return otherwise, otherwise
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)

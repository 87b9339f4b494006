"""Whether one system is better than another on the same rows, and how many such questions were asked at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lect.evaluation.bootstrap import Compute, paired_bootstrap
from lect.evaluation.counted import counted
from lect.evaluation.ranking import Ranked
from lect.scores import MetricSpec
from lect.summed_metric import SummedMetric

if TYPE_CHECKING:
    from lect.evaluation.report import Variant

ROW_BY_ROW = 1000
"""The most resamples of a metric that has no form for all of them at once."""


@dataclass(frozen=True)
class PairedTest:
    """How far the first system's score is from the second's.

    Args:
        value: the first's less the second's.
        low, high: the ends of the difference's confidence interval.
        p: two-sided: twice the smaller share of resamples in which the difference is not positive, or not negative,
            each counted one up (Davison & Hinkley 1997, section 4.2), so that it is never 0.
    """

    value: float
    low: float
    high: float
    p: float


def paired_test(
    compute: Compute,
    name: str,
    truth: Sequence[Any],
    first: Sequence[Any],
    second: Sequence[Any],
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedTest:
    """The paired bootstrap of one score (Koehn 2004).

    Args:
        name: the score's name among those that `compute` gives.
    """
    if counted(compute) is None:
        resamples = min(resamples, ROW_BY_ROW)
    # Two-sided, so that which way the score is better does not matter.
    gain = paired_bootstrap(compute, truth, first, second, resamples=resamples, seed=seed)[name]
    # The same seed draws the same resamples, so that this is the share in which the first is no worse.
    loss = paired_bootstrap(compute, truth, second, first, resamples=resamples, seed=seed)[name]
    smaller = min(gain.share_not_positive, loss.share_not_positive) * resamples
    return PairedTest(gain.value, gain.low, gain.high, min(1.0, 2 * (smaller + 1) / (resamples + 1)))


def row_statistics(metric: MetricSpec, truth: Sequence[Any], answers: Sequence[Any]) -> tuple[dict[str, float], ...]:
    """Of every row what a metric's scores are computed from, as numbers that a file can hold.

    Empty where the metric takes labels or ranks, which are what reports hold of the answers.
    """
    rows = zip(truth, answers, strict=True)
    if isinstance(metric.compute, SummedMetric):
        row = metric.compute.row
        return tuple({name: float(value) for name, value in row(true, answer).items()} for true, answer in rows)
    if all(isinstance(value, float) for value in (*truth, *answers)):
        return tuple({"true": true, "answer": answer} for true, answer in rows)
    return ()


def of_statistics(
    metric: MetricSpec, first: Sequence[Mapping[str, float]], second: Sequence[Mapping[str, float]]
) -> tuple[Compute, Sequence[Any], Sequence[Any], Sequence[Any]]:
    """What `paired_test` takes, from the `row_statistics` of two systems: a metric, true values, and both's answers."""
    if isinstance(metric.compute, SummedMetric):
        # What a row adds to the sums is known already.
        return SummedMetric(lambda _, own: own, metric.compute.scores), [None] * len(first), first, second
    truth = [row["true"] for row in first]
    return metric.compute, truth, [row["answer"] for row in first], [row["answer"] for row in second]


def paired_variants(
    metric: MetricSpec, name: str, truth: Sequence[Any], first: Variant, second: Variant, resamples: int = 10_000
) -> PairedTest:
    """The paired bootstrap of two systems whose answers to the same rows reports hold.

    Args:
        name: the score's.
        truth: the true answers, as the report's answers are written; of no use where variants have `statistics`.
    """
    compute, own, others = metric.compute, _answers(metric, first), _answers(metric, second)
    if first.statistics and second.statistics:
        compute, truth, own, others = of_statistics(metric, first.statistics, second.statistics)
    return paired_test(compute, name, truth, own, others, resamples=resamples)


def holm(values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, so that the chance of any false rejection stays below the level.

    Holm, S. (1979). A Simple Sequentially Rejective Multiple Test Procedure. Scandinavian Journal of Statistics 6.
    """
    order = sorted(range(len(values)), key=lambda index: values[index])
    adjusted = [0.0] * len(values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = largest
    return adjusted


def _answers(metric: MetricSpec, variant: Variant) -> Sequence[Any]:
    if metric.name == "ranking":
        return [Ranked.parse(answer) for answer in variant.predictions]
    return [int(rank) for rank in variant.predictions] if metric.name == "retrieval" else variant.predictions

"""Scores of many resamples at once, from how often each distinct row was drawn.

A resample of a metric over rows is decided by the number of times each distinct row is in it, and classification and
retrieval have few distinct rows: pairs of labels, and ranks. So a thousand resamples are one array of counts, and their
scores a few products of arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lect.evaluation.metrics import GAIN_AT, RECALL_AT, classification_scores, retrieval_scores
from lect.summed_metric import SummedMetric

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CountedMetric:
    """A metric over distinct rows and how often each was drawn.

    Args:
        scores: maps the distinct true values, the distinct predicted ones (as parallel sequences) and the counts
            (*Shape:* ``(resamples, distinct)``) to named scores (*Shape:* ``(resamples,)``); a score that a resample
            does not have is not a number there.
        row: what of a row's true and predicted value the scores depend on.
    """

    scores: Callable[[Sequence[Any], Sequence[Any], Floats], Mapping[str, Floats]]
    row: Callable[[Any, Any], tuple[Hashable, Hashable]]


def counted(compute: Callable[..., Any]) -> CountedMetric | None:
    """The counted form of a metric's `compute`, where it has one."""
    if isinstance(compute, SummedMetric):
        return CountedMetric(
            lambda _, rows, counts: compute.of_counts([dict(row) for row in rows], counts),
            lambda truth, predicted: (None, tuple(sorted(compute.row(truth, predicted).items()))),
        )
    return _COUNTED.get(compute)


def _classification(truth: Sequence[Any], predicted: Sequence[Any], counts: Floats) -> Mapping[str, Floats]:
    labels = sorted(set(truth))
    true = np.array([[label == value for label in labels] for value in truth], dtype=np.float64)
    answered = np.array([[label == value for label in labels] for value in predicted], dtype=np.float64)
    support, guesses, hits = counts @ true, counts @ answered, counts @ (true * answered)
    present = support > 0
    # Labels without a true row in a resample are no labels of that resample, and their predictions only misses.
    guesses = guesses * present
    each = _three(hits, guesses, support)
    total, right = support.sum(axis=1), hits.sum(axis=1)
    scores = {"accuracy": right / total}
    macro = {name: (value * present).sum(axis=1) / present.sum(axis=1) for name, value in each.items()}
    micro = _three(right, guesses.sum(axis=1), total)
    weighted = {name: (value * support).sum(axis=1) / total for name, value in each.items()}
    for average, three in (("macro", macro), ("micro", micro), ("weighted", weighted)):
        scores |= {f"{average}_{name}": value for name, value in three.items()}
    for column, label in enumerate(labels):
        for name, value in each.items():
            scores[f"{name}[{label}]"] = np.where(present[:, column], value[:, column], np.nan)
    return scores


def _three(hits: Floats, guesses: Floats, support: Floats) -> dict[str, Floats]:
    return {
        "precision": _share(hits, guesses),
        "recall": _share(hits, support),
        "f1": _share(2 * hits, guesses + support),
    }


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _retrieval(truth: Sequence[Any], predicted: Sequence[Any], counts: Floats) -> Mapping[str, Floats]:
    ranks = np.asarray(predicted, dtype=np.float64)
    total = counts.sum(axis=1)
    scores = {f"recall@{k}": counts @ (ranks <= k).astype(np.float64) / total for k in RECALL_AT}
    gains = np.where(ranks <= GAIN_AT, 1 / np.log2(1 + ranks), 0.0)
    return {**scores, "mrr": counts @ (1 / ranks) / total, f"ndcg@{GAIN_AT}": counts @ gains / total}


_COUNTED: dict[Callable[..., Any], CountedMetric] = {
    classification_scores: CountedMetric(_classification, lambda truth, predicted: (str(truth), str(predicted))),
    retrieval_scores: CountedMetric(_retrieval, lambda _, predicted: (None, int(predicted))),
}

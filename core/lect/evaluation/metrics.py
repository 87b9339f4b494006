"""Scores of classification and of retrieval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lect.specs import MetricSpec
from lect.summed_metric import SummedMetric

RECALL_AT = (1, 5, 10)
GAIN_AT = 10
_THREE = ("precision", "recall", "f1")
_RECALLS = tuple(f"recall@{k}" for k in RECALL_AT)


def classification_scores(truth: Sequence[Any], predicted: Sequence[Any]) -> dict[str, float]:
    """Accuracy, and precision, recall and F1: macro, micro, weighted and of every label (``f1[positive]``).

    The labels are those that occur in `truth`. One that is only ever predicted has no row of its own to be right on:
    it is no term of the averages, but each such prediction is a miss of the label it should have been. So micro
    recall is the accuracy, and micro precision is above it where such labels were predicted. A score without a
    denominator is 0 (scikit-learn's ``zero_division=0``).

    Raises:
        ValueError: there are no rows, or not as many predictions as rows.
    """
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    _check(truth, predicted)
    true, answered = [str(label) for label in truth], [str(label) for label in predicted]
    labels = sorted(set(true))
    scores = {"accuracy": float(accuracy_score(true, answered))}
    for average in ("macro", "micro", "weighted"):
        three = precision_recall_fscore_support(true, answered, labels=labels, average=average, zero_division=0)
        scores |= {f"{average}_{name}": float(three[place]) for place, name in enumerate(_THREE)}
    each = precision_recall_fscore_support(true, answered, labels=labels, average=None, zero_division=0)
    for row, label in enumerate(labels):
        scores |= {f"{name}[{label}]": float(each[place][row]) for place, name in enumerate(_THREE)}
    return scores


def retrieval_scores(truth: Sequence[Any], predicted: Sequence[Any]) -> dict[str, float]:
    """The share of queries answered among the first 1, 5 and 10, the mean of one over the rank, and nDCG@10.

    A query has one answer here, the best correct candidate, so that its ideal gain is 1 and its discounted gain
    1 / log2(1 + rank) among the first ten (Järvelin & Kekäläinen 2002).

    Args:
        truth: the index, or the indices, of each query's correct candidate; only their number is used.
        predicted: the rank of the best correct candidate of each query, 1 the first; see `lect.evaluation.retrieval`.

    Raises:
        ValueError: there are no queries, not as many ranks as queries, or a rank below 1.
    """
    _check(truth, predicted)
    if min(predicted) < 1:
        raise ValueError(f"ranks count from 1, not from {min(predicted)}")
    scores = {f"recall@{k}": sum(rank <= k for rank in predicted) / len(predicted) for k in RECALL_AT}
    gains = [1 / math.log2(1 + rank) if rank <= GAIN_AT else 0.0 for rank in predicted]
    mean = sum(1 / rank for rank in predicted) / len(predicted)
    return {**scores, "mrr": mean, f"ndcg@{GAIN_AT}": sum(gains) / len(predicted)}


def ranking_statistics(true: Any, predicted: Any) -> dict[str, float]:
    """What one query adds to the sums of `ranking_scores`.

    Gains are grades, discounted by log2(1 + rank) and divided by those of the best order there is (Järvelin &
    Kekäläinen 2002, with grades as `trec_eval` and scikit-learn take them). Recall is the share of the relevant texts
    that are found.

    Args:
        true: not used: what was predicted names every relevant text.
        predicted: a `lect.evaluation.ranking.Ranked`.
    """
    places = predicted.places
    grades = sorted((grade for _, grade in places), reverse=True)
    ideal = sum(grade / math.log2(1 + rank) for rank, grade in enumerate(grades[:GAIN_AT], 1))
    gain = sum(grade / math.log2(1 + rank) for rank, grade in places if rank <= GAIN_AT)
    recalls = {f"recall@{k}": sum(rank <= k for rank, _ in places) / len(places) for k in RECALL_AT}
    return {"queries": 1.0, "gain": gain / ideal, "reciprocal": 1 / places[0][0], **recalls}


def ranking_scores(sums: Mapping[str, Any]) -> dict[str, Any]:
    """The means over queries."""
    import numpy as np

    queries = np.maximum(1, sums["queries"])
    recalls = {f"recall@{k}": sums[f"recall@{k}"] / queries for k in RECALL_AT}
    return {f"ndcg@{GAIN_AT}": sums["gain"] / queries, "mrr": sums["reciprocal"] / queries, **recalls}


def _check(truth: Sequence[Any], predicted: Sequence[Any]) -> None:
    if len(truth) != len(predicted):
        raise ValueError(f"{len(truth)} rows and {len(predicted)} predictions")
    if not len(truth):
        raise ValueError("there are no rows to score")


METRICS: tuple[MetricSpec, ...] = (
    MetricSpec(
        name="classification",
        summary="accuracy, and precision, recall and F1: macro, micro, weighted and per label",
        compute=classification_scores,
        main="macro_f1",
        scores=dict.fromkeys(
            ("accuracy", *_THREE, *(f"{each}_{name}" for each in ("macro", "micro", "weighted") for name in _THREE)),
            "higher",
        ),
    ),
    MetricSpec(
        name="retrieval",
        summary="the share found among the first 1, 5 and 10, the mean reciprocal rank, and nDCG@10",
        compute=retrieval_scores,
        main="recall@1",
        scores=dict.fromkeys((*_RECALLS, "mrr", f"ndcg@{GAIN_AT}"), "higher"),
    ),
    MetricSpec(
        name="ranking",
        summary="nDCG@10 with grades of relevance, the mean reciprocal rank, and recall at 1, 5 and 10",
        compute=SummedMetric(ranking_statistics, ranking_scores),
        main=f"ndcg@{GAIN_AT}",
        scores=dict.fromkeys((f"ndcg@{GAIN_AT}", "mrr", *_RECALLS), "higher"),
    ),
)

"""Scores of numbers, and of sets of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lect_heads.metrics.shares import averaged


def regression_scores(truth: Sequence[float], predicted: Sequence[float]) -> dict[str, float]:
    """Pearson's and Spearman's correlation and the mean absolute error; a correlation with a constant is 0.

    Raises:
        ValueError: there are no rows, or not as many predictions as rows.
    """
    import numpy as np
    from scipy.stats import rankdata

    if len(truth) != len(predicted):
        raise ValueError(f"{len(truth)} rows and {len(predicted)} predictions")
    if not len(truth):
        raise ValueError("there are no rows to score")
    true, given = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    return {
        "pearson": _correlation(true, given),
        "spearman": _correlation(rankdata(true), rankdata(given)),
        "mae": float(np.abs(true - given).mean()),
    }


def label_set_statistics(truth: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    """Which labels one row has, was given, and both."""
    true, given = set(truth), set(predicted)
    counts: dict[str, float] = {"rows": 1, "exact": float(true == given)}
    for name, labels in (("true", true), ("found", given), ("right", true & given)):
        counts |= {f"{name}[{label}]": 1.0 for label in labels}
    return counts


def label_set_scores(sums: Mapping[str, Any]) -> dict[str, Any]:
    """The share of rows with exactly the right labels; precision, recall and F1: micro, macro, and per label."""
    exact = sums["exact"] / sums["rows"]
    counts = {name: value for name, value in sums.items() if name.endswith("]")}
    return {"exact": exact, **averaged(_Zeros(counts, 0 * exact), "micro_")}


def choice_statistics(truth: str, predicted: str) -> dict[str, float]:
    """Whether one choice is right."""
    return {"rows": 1, "right": float(truth == predicted)}


def choice_scores(sums: Mapping[str, Any]) -> dict[str, Any]:
    """The share of right choices."""
    return {"accuracy": sums["right"] / sums["rows"]}


class _Zeros(dict[str, Any]):
    """Counts of which those that are missing are zeros."""

    def __init__(self, counts: Mapping[str, Any], zeros: Any) -> None:
        super().__init__(counts)
        self._zeros = zeros

    def __missing__(self, name: str) -> Any:
        return self._zeros


def _correlation(first: Any, second: Any) -> float:
    import numpy as np

    first, second = first - first.mean(), second - second.mean()
    # Scaled before they are squared: tiny deviations are deviations, too.
    scales = np.abs(first).max(), np.abs(second).max()
    if not all(scales):
        return 0.0
    first, second = first / scales[0], second / scales[1]
    return float(np.clip(first @ second / np.sqrt((first @ first) * (second @ second)), -1, 1))

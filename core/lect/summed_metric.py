"""Metrics whose scores are functions of sums over rows, so that a thousand resamples are one product of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SummedMetric:
    """A metric that is decided by sums over rows, as a metric's `compute`.

    A thousand resamples of its rows are then one product of arrays.

    Args:
        row: statistics of one row by name, from its true and its predicted value. A name that is missing counts 0.
        scores: named scores from the sums of the statistics, *Shape:* ``(resamples,)`` each; not a number where a
            resample does not have a score. Looking a name up that no row has gives zeros.
    """

    row: Callable[[Any, Any], Mapping[str, float]]
    scores: Callable[[Mapping[str, Any]], Mapping[str, Any]]

    def __call__(self, truth: Sequence[Any], predicted: Sequence[Any]) -> dict[str, float]:
        """The scores of all rows. Raises `ValueError` where there are none, or not as many predictions."""
        import math

        import numpy as np

        if len(truth) != len(predicted):
            raise ValueError(f"{len(truth)} rows and {len(predicted)} predictions")
        if not len(truth):
            raise ValueError("there are no rows to score")
        counts = np.ones((1, len(truth)))
        rows = [self.row(true, answer) for true, answer in zip(truth, predicted, strict=True)]
        scores = {name: float(values[0]) for name, values in self.of_counts(rows, counts).items()}
        return {name: score for name, score in scores.items() if not math.isnan(score)}

    def of_counts(self, rows: Sequence[Mapping[str, float]], counts: Any) -> Mapping[str, Any]:
        """The scores of resamples.

        Args:
            rows: the statistics of each row.
            counts: how often each resample has each row. *Shape:* ``(resamples, rows)``.
        """
        from collections import defaultdict

        import numpy as np

        names = sorted({name for row in rows for name in row})
        table = np.array([[row.get(name, 0.0) for name in names] for row in rows], dtype=np.float64)
        sums = counts @ table.reshape(len(rows), len(names))
        zeros = np.zeros(len(counts))
        return self.scores(defaultdict(lambda: zeros, {name: sums[:, column] for column, name in enumerate(names)}))

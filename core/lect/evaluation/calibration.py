"""Whether probabilities mean what they say: expected calibration error, and how it comes about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Bin:
    """The answers whose probability lies in one stretch.

    Args:
        confidence: their mean probability.
        accuracy: the share of them that are right.
    """

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


def reliability(confidence: Sequence[float], correct: Sequence[bool], bins: int = 10) -> list[Bin]:
    """Bins of equal width, those without answers left out; a probability on an edge falls into the lower one.

    Guo, C. et al. (2017). On Calibration of Modern Neural Networks. ICML.
    """
    if len(confidence) != len(correct):
        raise ValueError(f"{len(confidence)} probabilities and {len(correct)} answers")
    stated, right = np.asarray(confidence, dtype=float), np.asarray(correct, dtype=float)
    places = np.clip(np.ceil(stated * bins).astype(int) - 1, 0, bins - 1)
    found = []
    for place in range(bins):
        chosen = places == place
        if chosen.any():
            mean, share = float(stated[chosen].mean()), float(right[chosen].mean())
            found.append(Bin(place / bins, (place + 1) / bins, int(chosen.sum()), mean, share))
    return found


def expected_calibration_error(confidence: Sequence[float], correct: Sequence[bool], bins: int = 10) -> float:
    """The mean distance between accuracy and probability over bins, weighted by their rows; 0 is perfect."""
    found = reliability(confidence, correct, bins)
    total = sum(each.rows for each in found)
    return sum(each.rows * abs(each.accuracy - each.confidence) for each in found) / total if total else 0.0

"""Learning-rate schedules as functions of the step."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["linear", "cosine", "constant", "one-cycle"]


def learning_rate_factor(step: int, total: int, schedule: Schedule, warmup: float) -> float:
    """What the learning rate is multiplied with at a step, 0 to 1.

    Args:
        step: steps already taken.
        warmup: the share of `total` over which the rate rises; linearly, but for ``one-cycle``, where it rises along a
            half cosine from 1/25 and falls to 1/10,000 (Smith and Topin 2018).
    """
    rising = warmup * total
    if schedule == "one-cycle":
        if step < rising:
            return _half_cosine(1 / 25, 1.0, step / rising)
        return _half_cosine(1.0, 1e-4, (step - rising) / max(total - rising, 1))
    if step < rising:
        return (step + 1) / (rising + 1)
    done = (step - rising) / max(total - rising, 1)
    if schedule == "linear":
        return max(0.0, 1 - done)
    if schedule == "cosine":
        return _half_cosine(1.0, 0.0, done)
    return 1.0


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2

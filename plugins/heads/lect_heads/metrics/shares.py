"""Precision, recall and F1 from counts, single ones or those of many resamples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = ("precision", "recall", "f1")


def share(part: Any, whole: Any) -> Any:
    """A part of a whole; 0 where there is no whole."""
    import numpy as np

    return np.divide(part, whole, out=np.zeros_like(part, dtype=np.float64), where=np.asarray(whole) > 0)


def f1_scores(right: Any, found: Any, true: Any) -> tuple[Any, Any, Any]:
    """Precision, recall and F1."""
    return share(right, found), share(right, true), share(2 * right, found + true)


def averaged(sums: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Micro, macro and single scores of the kinds counted as ``true[kind]``, ``found[kind]`` and ``right[kind]``.

    A kind has a term in the macro average where there is one or one was found, as `seqeval` has it.

    Args:
        prefix: before the micro scores' names.
    """
    import numpy as np

    kinds = sorted({name.partition("[")[2][:-1] for name in list(sums) if name.endswith("]")})
    zeros = sums["none"]
    total = [sum((sums[f"{name}[{kind}]"] for kind in kinds), zeros) for name in ("right", "found", "true")]
    scores = {f"{prefix}{name}": value for name, value in zip(NAMES, f1_scores(*total), strict=True)}
    each = {kind: f1_scores(*(sums[f"{name}[{kind}]"] for name in ("right", "found", "true"))) for kind in kinds}
    there = {kind: sums[f"true[{kind}]"] + sums[f"found[{kind}]"] > 0 for kind in kinds}
    count = np.maximum(1, sum((there[kind].astype(np.float64) for kind in kinds), zeros))
    for place, name in enumerate(NAMES):
        scores[f"macro_{name}"] = sum((each[kind][place] * there[kind] for kind in kinds), zeros) / count
    for kind in kinds:
        for place, name in enumerate(NAMES):
            scores[f"{name}[{kind}]"] = np.where(there[kind], each[kind][place], np.nan)
    return scores

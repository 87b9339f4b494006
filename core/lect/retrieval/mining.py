"""Pairs of translations, found between two piles of texts by the margin of their cosine over that of neighbours.

Artetxe, M. & Schwenk, H. (2019). Margin-based Parallel Corpus Mining with Multilingual Sentence Embeddings. ACL.
Section 3: the ratio margin, with retrieval in both directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lect.retrieval.index import directions


@dataclass(frozen=True)
class Pair:
    """Two texts that may be translations.

    Args:
        margin: the cosine over the mean of the cosines with both sides' nearest neighbours; above 1 the two are nearer
            to each other than to what else is near.
    """

    source: int
    target: int
    margin: float
    cosine: float


def mine(sources: Any, targets: Any, *, neighbours: int = 4, threshold: float = 1.0, block: int = 1024) -> list[Pair]:
    """The best pairs, best first, each text in one at most.

    Candidates are each text's best partner, in both directions; of those that share a text the better one stays.

    Args:
        sources, targets: arrays or tensors. *Shape:* ``(texts, width)``.
        neighbours: k, how many nearest neighbours a cosine is measured against.
        threshold: the least margin.
        block: how many sources are compared at once; nothing depends on it but memory.

    Raises:
        ValueError: the widths differ or a side is empty.
    """
    ours, theirs = directions(sources), directions(targets)
    if ours.ndim != 2 or theirs.ndim != 2 or ours.shape[1] != theirs.shape[1] or not len(ours) or not len(theirs):
        raise ValueError(f"{ours.shape} sources and {theirs.shape} targets do not fit")
    near_ours = _neighbourhood(ours, theirs, neighbours, block)
    near_theirs = _neighbourhood(theirs, ours, neighbours, block)
    forward = _best(ours, theirs, near_ours, near_theirs, block)
    backward = _best(theirs, ours, near_theirs, near_ours, block)
    found = {(source, target): (margin, cosine) for source, (target, margin, cosine) in enumerate(forward)}
    found |= {(source, target): (margin, cosine) for target, (source, margin, cosine) in enumerate(backward)}
    pairs: list[Pair] = []
    used: tuple[set[int], set[int]] = (set(), set())
    for (source, target), (margin, cosine) in sorted(found.items(), key=lambda item: (-item[1][0], item[0])):
        if margin >= threshold and source not in used[0] and target not in used[1]:
            used[0].add(source)
            used[1].add(target)
            pairs.append(Pair(source, target, margin, cosine))
    return pairs


def _neighbourhood(
    ours: NDArray[np.float32], theirs: NDArray[np.float32], neighbours: int, block: int
) -> NDArray[np.float32]:
    """The mean cosine of each text with its nearest ones on the other side. *Shape:* ``(ours,)``."""
    count = min(neighbours, len(theirs))
    means = []
    for start in range(0, len(ours), block):
        cosines = ours[start : start + block] @ theirs.T
        means.append(np.partition(cosines, -count, axis=1)[:, -count:].mean(axis=1))
    return np.concatenate(means)


def _best(
    ours: NDArray[np.float32],
    theirs: NDArray[np.float32],
    near_ours: NDArray[np.float32],
    near_theirs: NDArray[np.float32],
    block: int,
) -> list[tuple[int, float, float]]:
    """For each text its partner of the largest margin, that margin, and the cosine."""
    found = []
    for start in range(0, len(ours), block):
        cosines = ours[start : start + block] @ theirs.T
        margins = cosines / ((near_ours[start : start + block, None] + near_theirs[None, :]) / 2)
        best = margins.argmax(axis=1)
        rows = np.arange(len(best))
        found += list(
            zip(best.tolist(), margins[rows, best].tolist(), cosines[rows, best].tolist(), strict=True)
        )  # fmt: skip
    return found

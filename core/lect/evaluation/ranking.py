"""Where a query's relevant texts stand among all others, and how texts of several grades are ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lect.evaluation.retrieval import TIE, cosine_blocks


@dataclass(frozen=True)
class Ranked:
    """The relevant texts of one query.

    Args:
        places: the rank of each, 1 the first, and its grade, above 0; by rank.
    """

    places: tuple[tuple[int, float], ...]

    def __str__(self) -> str:
        """Ranks with their grades, such as ``1:2 5:1``; grades of 1 are left out."""
        return " ".join(str(rank) if grade == 1 else f"{rank}:{grade:g}" for rank, grade in self.places)

    @classmethod
    def parse(cls, text: str) -> Ranked:
        """What `str` gave. Raises `ValueError` for any other text."""
        parts = [part.partition(":") for part in text.split()]
        return cls(tuple((int(rank), float(grade or 1)) for rank, _, grade in parts))


def rank_relevant(
    queries: Any, candidates: Any, relevant: Sequence[Mapping[int, float]], *, block: int = 256
) -> list[Ranked]:
    """Where each query's relevant candidates stand by cosine.

    Pessimistic: of candidates that are equally near the less relevant one comes first, and a cosine that is not a
    number comes last of all.

    Args:
        queries: an array or tensor. *Shape:* ``(queries, features)``.
        candidates: an array or tensor. *Shape:* ``(candidates, features)``.
        relevant: for each query the grades of its relevant candidates, by index; those of grade 0 or less, and those
            not named, are not relevant.
        block: the number of queries compared at once, which bounds the memory; the ranks do not depend on it.

    Raises:
        ValueError: the shapes do not fit, a query has no relevant candidate, or an index is out of range.
    """
    found: list[Ranked] = []
    for own, cosines in cosine_blocks(queries, candidates, len(relevant), "judgements", block):
        cosines[np.isnan(cosines)] = -np.inf
        for near, grades in zip(cosines, relevant[own], strict=True):
            found.append(_ranked(near, {index: grade for index, grade in grades.items() if grade > 0}))
    return found


def _ranked(near: Any, grades: Mapping[int, float]) -> Ranked:
    if not grades or not all(0 <= index < len(near) for index in grades):
        raise ValueError(f"a query's relevant candidates {sorted(grades)} are not among {len(near)} candidates")
    worth = np.zeros(len(near))
    worth[list(grades)] = list(grades.values())
    places = []
    for index, grade in grades.items():
        is_tied = np.abs(near - near[index]) <= TIE if np.isfinite(near[index]) else near == near[index]
        ahead = (near > near[index]) & ~is_tied
        # Of those that are as near and of the same grade, the earlier one counts as nearer, so that no rank is twice.
        before = is_tied & ((worth < grade) | ((worth == grade) & (np.arange(len(near)) < index)))
        places.append((1 + int(ahead.sum()) + int(before.sum()), grade))
    return Ranked(tuple(sorted(places)))

"""Finding each query's own answer among candidates, by cosine."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

TIE = 1e-12


def ranks(
    queries: Any, candidates: Any, correct: Sequence[int] | Sequence[Collection[int]], *, block: int = 1024
) -> list[int]:
    """The rank of each query's best correct candidate by cosine: 1 where it is found first.

    Pessimistic: a wrong candidate that is as near as the best correct one counts as nearer, and a query whose cosines
    are not numbers ranks behind every wrong candidate. Candidates that are equally correct never push each other down.

    Args:
        queries: an array or tensor. *Shape:* ``(queries, features)``.
        candidates: an array or tensor. *Shape:* ``(candidates, features)``.
        correct: for each query the index of its correct candidate, or the indices where several are correct (the same
            text twice, say; see `matches`).
        block: the number of queries compared at once, which bounds the memory; the ranks do not depend on it.

    Raises:
        ValueError: the shapes do not fit, a query has no correct candidate, or an index is out of range.
    """
    found: list[int] = []
    for own, cosines in cosine_blocks(queries, candidates, len(correct), "answers", block):
        is_correct = _marks(correct[own], cosines.shape[1])
        best = np.where(is_correct, cosines, -np.inf).max(axis=1, keepdims=True)
        # Not written as >=, so that a cosine that is not a number counts against the query.
        as_near = ~(cosines < best - TIE) & ~is_correct
        found.extend(int(rank) for rank in 1 + as_near.sum(axis=1))
    return found


def matches(answers: Sequence[str], candidates: Sequence[str]) -> list[frozenset[int]]:
    """For each answer the indices of every candidate with that very text.

    Raises:
        ValueError: an answer is not among the candidates.
    """
    places: dict[str, list[int]] = {}
    for index, text in enumerate(candidates):
        places.setdefault(text, []).append(index)
    sets = {text: frozenset(indices) for text, indices in places.items()}
    missing = next((answer for answer in answers if answer not in sets), None)
    if missing is not None:
        raise ValueError(f"{missing!r} is not among the candidates")
    return [sets[answer] for answer in answers]


def cosine_blocks(
    queries: Any, candidates: Any, count: int, what: str, block: int
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """The cosines of some queries at a time with all candidates, which of the queries they are first.

    Args:
        queries: an array or tensor. *Shape:* ``(queries, features)``.
        candidates: an array or tensor. *Shape:* ``(candidates, features)``.
        count: of what belongs to the queries, one each; `what` it is called.
        block: the number of queries compared at once, which bounds the memory.

    Raises:
        ValueError: the shapes do not fit.
    """
    asked, offered = unit_vectors(queries), unit_vectors(candidates)
    if asked.shape[1] != offered.shape[1] or count != len(asked):
        raise ValueError(f"{asked.shape} queries, {offered.shape} candidates and {count} {what} do not fit")
    for start in range(0, len(asked), block):
        own = slice(start, start + block)
        with np.errstate(invalid="ignore"):
            cosines = asked[own] @ offered.T
        yield own, cosines


def unit_vectors(vectors: Any) -> NDArray[np.float64]:
    """Vectors of length 1 (0 where there is none), in double precision. Raises `ValueError` for another shape.

    Args:
        vectors: an array or tensor. *Shape:* ``(rows, features)``.
    """
    # Double precision, so that what ties does not hang on the order in which a product was summed.
    if hasattr(vectors, "detach"):
        vectors = vectors.detach().double().cpu().numpy()
    array = np.asarray(vectors, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"vectors have two axes, not the shape {array.shape}")
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray(array / np.where(lengths == 0, 1, lengths))


def _marks(correct: Sequence[Any], candidates: int) -> NDArray[np.bool_]:
    marks = np.zeros((len(correct), candidates), dtype=bool)
    for row, answer in enumerate(correct):
        indices = list(answer) if isinstance(answer, Collection) else [answer]
        if not indices or not all(0 <= index < candidates for index in indices):
            raise ValueError(f"a query's correct candidates {indices} are not among {candidates} candidates")
        marks[row, indices] = True
    return marks

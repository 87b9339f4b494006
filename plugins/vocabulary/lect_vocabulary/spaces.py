"""Static spaces: vectors of pieces or words from the company they keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.linalg import svds

_SMOOTHING = 0.75


@dataclass(frozen=True)
class Space:
    """Vectors of what occurred.

    Args:
        keys: what the rows are of, ascending.
        vectors: *Shape:* ``(keys, dimensions)``, each of length one.
        counts: how often each occurred.
    """

    keys: NDArray[np.int64]
    vectors: NDArray[np.float64]
    counts: NDArray[np.int64]

    def rows(self, wanted: Sequence[int]) -> NDArray[np.int64]:
        """The row of each key, -1 for one that did not occur."""
        places = np.searchsorted(self.keys, wanted)
        places = np.minimum(places, len(self.keys) - 1)
        return np.where(self.keys[places] == np.asarray(wanted), places, -1)


def static_space(
    texts: Sequence[Sequence[int]],
    dimensions: int,
    window: int,
    translations: Sequence[Sequence[int]] | None = None,
) -> Space:
    """Vectors by a truncated singular value decomposition of positive pointwise mutual information.

    Counts within a window weigh one over their distance; contexts are smoothed to the power 0.75, and singular values
    enter by their square roots (Levy, Goldberg and Dagan 2015, sections 3.2 and 3.3). It takes the place of fastText,
    with which it is on a par on small texts, and gives the same in every run.

    Args:
        translations: one a text. With them a piece's company is the pairs of sentences that it occurs in, on either
            side, so that both languages come into one space (Levy, Søgaard and Goldberg 2017, section 3); `window` is
            not used.
    """
    sentences = [*texts, *(translations or ())]
    lengths = np.array([len(sentence) for sentence in sentences])
    flat = np.array([key for sentence in sentences for key in sentence], dtype=np.int64)
    if not len(flat):
        return Space(flat, np.zeros((0, dimensions)), flat)
    keys, indices, counts = np.unique(flat, return_inverse=True, return_counts=True)
    owners = np.repeat(np.arange(len(sentences)), lengths)
    if translations is None:
        company = _within_windows(indices, owners, window, len(keys))
    else:
        shape = (len(keys), len(texts))
        company = coo_matrix((np.ones(len(flat)), (indices, owners % len(texts))), shape=shape).tocsr()
    return Space(keys, _decomposed(_information(company), dimensions), counts)


def _within_windows(indices: NDArray[np.int64], owners: NDArray[np.int64], window: int, size: int) -> csr_matrix:
    total = csr_matrix((size, size))
    for distance in range(1, min(window, len(indices) - 1) + 1):
        same = owners[:-distance] == owners[distance:]
        left, right = indices[:-distance][same], indices[distance:][same]
        once = coo_matrix((np.full(len(left), 1.0 / distance), (left, right)), shape=(size, size)).tocsr()
        total = total + once + once.T
    return total


def _information(company: csr_matrix) -> csr_matrix:
    table = company.tocoo()
    rows = np.asarray(company.sum(1)).ravel()
    columns = np.asarray(company.sum(0)).ravel() ** _SMOOTHING
    columns = columns / max(columns.sum(), 1e-12)
    values = np.log(table.data / (rows[table.row] * columns[table.col]))
    positive = values > 0
    return csr_matrix((values[positive], (table.row[positive], table.col[positive])), shape=company.shape)


def _decomposed(information: csr_matrix, dimensions: int) -> NDArray[np.float64]:
    rank = min(dimensions, min(information.shape) - 1)
    if rank < 1 or information.nnz == 0:
        return np.zeros((information.shape[0], dimensions))
    # A fixed start, since the library's own is drawn anew in each run.
    left, values, _ = svds(information, k=rank, v0=np.ones(min(information.shape)))
    vectors = left * np.sqrt(values)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.where(lengths > 1e-12, lengths, 1.0)
    return np.pad(vectors, ((0, 0), (0, dimensions - rank)))

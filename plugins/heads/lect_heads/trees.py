"""Maximum spanning trees: Chu & Liu (1965), Edmonds (1967), for dependency parsing as McDonald et al. (2005)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


def best_tree(scores: Scores) -> list[int]:
    """The head of each word in the tree of greatest score with exactly one word under the root.

    Args:
        scores: of each word's arc from each head; column 0 is the root. *Shape:* ``(words, words + 1)``.

    Returns:
        For each word its head, counted from 1; 0 for the root.
    """
    words = len(scores)
    if not words:
        return []
    square = np.full((words + 1, words + 1), -np.inf)
    square[1:] = scores
    # With a price on arcs from the root that no other gain can pay, there is only one (Stanojević & Cohen 2021).
    square[1:, 0] -= 1 + 2 * words * float(np.abs(scores).max())
    return [int(head) for head in _tree(square)[1:]]


def _tree(scores: Scores) -> NDArray[np.int64]:
    """The head of each node in the best tree from node 0; a square of scores by dependent and head."""
    scores = scores.copy()
    np.fill_diagonal(scores, -np.inf)
    heads = scores.argmax(axis=1)
    heads[0] = 0
    cycle = _cycle(heads)
    if cycle is None:
        return heads
    # The cycle becomes one node, the last: what leaves it does so from its best place, and what enters it pays for the
    # arc it replaces.
    others = np.array([node for node in range(len(heads)) if node not in set(cycle)])
    inside = np.array(cycle)
    last = len(others)
    smaller = np.full((last + 1, last + 1), -np.inf)
    smaller[:last, :last] = scores[np.ix_(others, others)]
    leaving = scores[np.ix_(others, inside)]
    smaller[:last, last] = leaving.max(axis=1)
    entering = scores[np.ix_(inside, others)] - scores[inside, heads[inside]][:, None]
    smaller[last, :last] = entering.max(axis=0)
    found = _tree(smaller)
    for place, node in enumerate(others[1:], start=1):
        head = found[place]
        heads[node] = inside[leaving[place].argmax()] if head == last else others[head]
    into = found[last]
    heads[inside[entering[:, into].argmax()]] = others[into]
    return heads


def _cycle(heads: NDArray[np.int64]) -> list[int] | None:
    """The nodes of a cycle, if there is one."""
    done = {0}
    for start in range(1, len(heads)):
        path: list[int] = []
        node = start
        while node not in done and node not in path:
            path.append(node)
            node = int(heads[node])
        if node in path:
            return path[path.index(node) :]
        done.update(path)
    return None

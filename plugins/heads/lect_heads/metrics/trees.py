"""Attachment scores, by the rules of the CoNLL 2018 shared task (Zeman et al. 2018) for text with its true words.

Every word counts, punctuation too; of a relation only what stands before the colon. CLAS is LAS over content words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lect_heads.metrics.shares import share

CONTENT = frozenset(
    (
        *("nsubj", "obj", "iobj", "csubj", "ccomp", "xcomp", "obl", "vocative", "expl", "dislocated", "advcl"),
        *("advmod", "discourse", "nmod", "appos", "nummod", "acl", "amod", "conj", "fixed", "flat", "compound"),
        *("list", "parataxis", "orphan", "goeswith", "reparandum", "root", "dep"),
    )
)

Arc = tuple[int, str, str | None]


def parsing_statistics(truth: Sequence[Arc], predicted: Sequence[Arc]) -> dict[str, float]:
    """What is right in one sentence. Raises `ValueError` for unequal lengths."""
    if len(truth) != len(predicted):
        raise ValueError(f"{len(predicted)} heads for {len(truth)} words")
    counts = dict.fromkeys(("words", "uas", "las", "content", "found", "clas", "tagged", "upos"), 0.0)
    for (head, name, tag), (own_head, own_name, own_tag) in zip(truth, predicted, strict=True):
        relation, own = name.split(":")[0], own_name.split(":")[0]
        right = head == own_head and relation == own
        counts["words"] += 1
        counts["uas"] += head == own_head
        counts["las"] += right
        counts["content"] += relation in CONTENT
        counts["found"] += own in CONTENT
        counts["clas"] += right and relation in CONTENT
        if tag is not None and own_tag is not None:
            counts["tagged"] += 1
            counts["upos"] += tag == own_tag
    return counts


def parsing_scores(sums: Mapping[str, Any]) -> dict[str, Any]:
    """LAS, UAS, CLAS, and the share of right parts of speech where those are predicted."""
    import numpy as np

    return {
        "las": share(sums["las"], sums["words"]),
        "uas": share(sums["uas"], sums["words"]),
        "clas": share(2 * sums["clas"], sums["content"] + sums["found"]),
        "upos": np.where(sums["tagged"] > 0, share(sums["upos"], sums["tagged"]), np.nan),
    }

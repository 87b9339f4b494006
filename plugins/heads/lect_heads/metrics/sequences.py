"""Scores of tags: of entities, as `conlleval` and `seqeval` count them, and of single words.

Tjong Kim Sang & De Meulder (2003), section 4: an entity is right where its type and both of its ends are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lect_heads.metrics.shares import averaged, f1_scores
from lect_heads.schemes import entities


def entity_statistics(truth: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    """How many entities of each type there are, were found, and are both. Raises `ValueError` for unequal lengths."""
    _check(truth, predicted)
    true, found = set(entities(truth)), set(entities(predicted))
    counts: dict[str, float] = {}
    for name, chosen in (("true", true), ("found", found), ("right", true & found)):
        for kind, _, _ in chosen:
            counts[f"{name}[{kind}]"] = counts.get(f"{name}[{kind}]", 0.0) + 1
    return counts


def entity_scores(sums: Mapping[str, Any]) -> dict[str, Any]:
    """Precision, recall and F1 over all entities, their means over types, and those of each type."""
    return averaged(sums, "")


def word_statistics(truth: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    """How many words of each tag there are, were tagged so, and are both. Raises `ValueError` for unequal lengths."""
    _check(truth, predicted)
    counts: dict[str, float] = {}
    for true, given in zip(truth, predicted, strict=True):
        names = [f"true[{true}]", f"found[{given}]", *([f"right[{true}]"] if true == given else [])]
        for name in names:
            counts[name] = counts.get(name, 0.0) + 1
    return counts


def word_scores(sums: Mapping[str, Any]) -> dict[str, Any]:
    """The share of words with the right tag, mean F1 over the tags there are, and F1 of each."""
    import numpy as np

    labels = sorted(name[5:-1] for name in sums if name.startswith("true["))
    total = sum(sums[f"true[{label}]"] for label in labels)
    right = sum(sums[f"right[{label}]"] for label in labels)
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = {"accuracy": right / total}
    each = {}
    for label in labels:
        true = sums[f"true[{label}]"]
        f1 = f1_scores(sums[f"right[{label}]"], sums[f"found[{label}]"], true)[2]
        each[label] = np.where(true > 0, f1, np.nan)
    if labels:
        stacked = np.stack([each[label] for label in labels])
        scores["macro_f1"] = np.nansum(stacked, axis=0) / np.maximum(1, (~np.isnan(stacked)).sum(axis=0))
    return {**scores, **{f"f1[{label}]": value for label, value in each.items()}}


def token_scores(sums: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of `word_scores` beside those of entities, with names of their own: ``token_macro_f1``."""
    return {f"token_{name}": value for name, value in word_scores(sums).items()}


def _check(truth: Sequence[str], predicted: Sequence[str]) -> None:
    if len(truth) != len(predicted):
        raise ValueError(f"{len(predicted)} tags for {len(truth)} words")

"""Exact match and F1 of extracted answers, by the rules of SQuAD's own script, for other languages too.

Rajpurkar et al. (2016, 2018). Languages as in MLQA's script (Lewis et al. 2020): punctuation is that of Unicode, and
text of scripts without spaces is compared by letters. Articles are left out of English only.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lect_heads.words import is_unspaced

_ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)


@dataclass(frozen=True)
class Accepted:
    """The accepted answers to one question, none where there is none; and the language they are in."""

    texts: tuple[str, ...]
    language: str | None = None


def normalised(text: str, language: str | None = None) -> str:
    """Lower case, without punctuation, without English articles, with single spaces."""
    plain = "".join(character for character in text.lower() if not _is_punctuation(character))
    if (language or "").split("-")[0] == "en":
        plain = _ARTICLES.sub(" ", plain)
    return " ".join(plain.split())


def tokens(text: str, language: str | None = None) -> list[str]:
    """The words of a normalised answer; the letters where a script puts no space between words."""
    plain = normalised(text, language)
    if (language or "").split("-")[0] != "en":
        plain = "".join(f" {character} " if is_unspaced(character) else character for character in plain)
    return plain.split()


def exact_match(truth: Accepted, predicted: str) -> float:
    """1 where the answer is one of the accepted ones."""
    answer = normalised(predicted, truth.language)
    return float(any(normalised(text, truth.language) == answer for text in _texts(truth)))


def f1(truth: Accepted, predicted: str) -> float:
    """F1 over words, with the accepted answer that fits best. Where either has no word: whether neither has one."""
    return max(_f1(tokens(text, truth.language), tokens(predicted, truth.language)) for text in _texts(truth))


def squad_statistics(truth: Accepted, predicted: str) -> dict[str, float]:
    """One question's scores."""
    kind = "unanswerable" if _texts(truth) == ("",) else "answerable"
    exact, overlap = exact_match(truth, predicted), f1(truth, predicted)
    return {"rows": 1, "exact": exact, "f1": overlap, kind: 1, f"{kind} exact": exact, f"{kind} f1": overlap}


def squad_scores(sums: Mapping[str, Any]) -> dict[str, Any]:
    """Means over all questions, and over those with and those without an answer where there are both."""
    import numpy as np

    scores = {"f1": sums["f1"] / sums["rows"], "exact": sums["exact"] / sums["rows"]}
    for kind, other in (("answerable", "unanswerable"), ("unanswerable", "answerable")):
        for name in ("exact", "f1"):
            both = (sums[kind] > 0) & (sums[other] > 0)
            mean = sums[f"{kind} {name}"] / np.maximum(1, sums[kind])
            scores[f"{kind}_{name}"] = np.where(both, mean, np.nan)
    return scores


def _texts(truth: Accepted) -> tuple[str, ...]:
    return tuple(text for text in truth.texts if normalised(text, truth.language)) or ("",)


def _f1(true: list[str], given: list[str]) -> float:
    if not true or not given:
        return float(true == given)
    same = sum((Counter(true) & Counter(given)).values())
    if not same:
        return 0.0
    precision, recall = same / len(given), same / len(true)
    return 2 * precision * recall / (precision + recall)


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")

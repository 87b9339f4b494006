"""Exact match and F1 of extracted answers, by the rules of SQuAD's own script, and of MLQA's for other languages.

English, and where no language is said: the script of SQuAD 2.0 (Rajpurkar et al. 2016, 2018), with its ASCII
punctuation and English articles. Other languages: MLQA's script (Lewis et al. 2020, ``mlqa_evaluation_v1.py``), with
Unicode's punctuation and the articles of its seven languages; of a language that it does not know none are left out.
Text of scripts without spaces is compared by letters. Both sides are brought into Unicode's form NFC first.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lect_heads.words import is_unspaced

KINDS = ("answerable", "unanswerable")
_ENGLISH = re.compile(r"\b(a|an|the)\b")
_ARTICLES = {
    "es": re.compile(r"\b(un|una|unos|unas|el|la|los|las)\b"),
    "vi": re.compile(r"\b(của|là|cái|chiếc|những)\b"),
    "de": re.compile(r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b"),
    "ar": re.compile(r"\sال^|ال"),
}
"""What MLQA's script leaves out, as it is written there; its Hindi and Chinese have no articles."""
_WITHOUT_ARTICLES = ("hi", "zh")


@dataclass(frozen=True)
class Accepted:
    """The accepted answers to one question, none where there is none; and the language they are in."""

    texts: tuple[str, ...]
    language: str | None = None


def rule_of(language: str | None) -> str:
    """The rule that answers in a language are compared by, in words."""
    code = _code(language)
    if code == "en":
        stated = "English" if language else "no language is stated: as English"
        return f"the rules of SQuAD 2.0's script ({stated}; without case, ASCII punctuation and a, an, the)"
    if code in _ARTICLES:
        return f"the rules of MLQA's script for {code} (without case, punctuation and its articles)"
    if code in _WITHOUT_ARTICLES:
        return f"the rules of MLQA's script for {code} (without case and punctuation)"
    return f"MLQA's rules without any articles for {code} (without case and punctuation)"


def signatures(truth: Sequence[Accepted]) -> dict[str, str]:
    """The rules that F1 and exact match were computed by."""
    rules = sorted({rule_of(each.language) for each in truth})
    return {"f1": f"and exact match by {'; by '.join(rules)}"}


def normalised(text: str, language: str | None = None) -> str:
    """Lower case, without punctuation, without the language's articles, with single spaces."""
    code = _code(language)
    lower = unicodedata.normalize("NFC", text.lower())
    if code == "en":
        plain = _ENGLISH.sub(" ", "".join(character for character in lower if character not in string.punctuation))
    else:
        plain = "".join(character for character in lower if not _is_punctuation(character))
        if code in _ARTICLES:
            plain = _ARTICLES[code].sub(" ", plain)
    return " ".join(plain.split())


def tokens(text: str, language: str | None = None) -> list[str]:
    """The words of a normalised answer; the letters where a script puts no space between words."""
    plain = normalised(text, language)
    return "".join(f" {character} " if is_unspaced(character) else character for character in plain).split()


def exact_match(truth: Accepted, predicted: str) -> float:
    """1 where the answer is one of the accepted ones."""
    answer = tokens(predicted, truth.language)
    return float(any(tokens(text, truth.language) == answer for text in _texts(truth)))


def f1(truth: Accepted, predicted: str) -> float:
    """F1 over words, with the accepted answer that fits best. Where either has no word: whether neither has one."""
    return max(_f1(tokens(text, truth.language), tokens(predicted, truth.language)) for text in _texts(truth))


def squad_statistics(truth: Accepted, predicted: str) -> dict[str, float]:
    """One question's scores."""
    kind = KINDS[_texts(truth) == ("",)]
    exact, overlap = exact_match(truth, predicted), f1(truth, predicted)
    return {"rows": 1, "exact": exact, "f1": overlap, kind: 1, f"{kind} exact": exact, f"{kind} f1": overlap}


def squad_scores(sums: Mapping[str, Any]) -> dict[str, Any]:
    """Means over all questions, and over those with and those without an answer where there are both."""
    import numpy as np

    scores = {"f1": sums["f1"] / sums["rows"], "exact": sums["exact"] / sums["rows"]}
    for kind, other in (KINDS, KINDS[::-1]):
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


def _code(language: str | None) -> str:
    """The language without script and region; English where none is said."""
    return (language or "en").split("-")[0]

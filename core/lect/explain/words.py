"""Tokens of a text put together to the words that a reader sees."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

Span = tuple[int, int]
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "YI ")


def words_of(text: str) -> list[Span]:
    """Where words stand: between white space, and each letter alone in scripts that have none between words."""
    spans: list[Span] = []
    for found in re.finditer(r"\S+", text):
        start = found.start()
        for place in range(found.start(), found.end()):
            if _is_unspaced(text[place]):
                if start < place:
                    spans.append((start, place))
                spans.append((place, place + 1))
                start = place + 1
        if start < found.end():
            spans.append((start, found.end()))
    return spans


def by_word(words: Sequence[Span], tokens: Sequence[Span], values: Sequence[float]) -> list[float]:
    """Tokens' values summed into words; a token that covers several is shared out by the letters it has of each.

    A token of nothing but a space goes to the word behind it, else to the last one; special tokens, which cover
    nothing at the very start, go to none.
    """
    sums = [0.0] * len(words)
    for (start, end), value in zip(tokens, values, strict=True):
        shares = [max(0, min(end, stop) - max(start, first)) for first, stop in words]
        total = sum(shares)
        if words and not total and end > 0:
            behind = next((place for place, (first, _) in enumerate(words) if first >= start), len(words) - 1)
            sums[behind] += value
        for place, share in enumerate(shares):
            if share:
                sums[place] += value * share / total
    return sums


def _is_unspaced(character: str) -> bool:
    return ord(character) > 0x0E00 and unicodedata.name(character, "").startswith(_UNSPACED)

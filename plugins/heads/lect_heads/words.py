"""Words of a text: where they stand, how a text is cut into them, and which token speaks for each.

Alignment goes by characters, not by the tokenizer's own idea of words: so it holds for any vocabulary, also a new one,
and for texts without spaces, where one token may cover several words.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lect import DataError

if TYPE_CHECKING:
    from lect import Example

# Letters of scripts that put no space between words; their marks (vowel signs, tones) stay with the letter before.
_UNSPACED = (
    "\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_CANDIDATE = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[\w\u200c\u200d])+|[^\w\s]")
_INNER = "'’ʼ-‐.·"

Places = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Words:
    """The words of an example and where each one stands in its text: first character, and the one behind its last."""

    words: tuple[str, ...]
    places: Places


def words_of(example: Example) -> Words:
    """The example's own words, or else those that `split_words` finds.

    Raises:
        DataError: its words do not stand in its text in this order.
    """
    if example.words is None:
        return split_words(example.text)
    if example.places is not None:
        return Words(example.words, example.places)
    places, position = [], 0
    for word in example.words:
        start = example.text.find(word, position)
        if start < 0:
            raise DataError(
                f'the word "{word}" is not in the text where it should be',
                where=example.origin,
                fix="give the words in the order of the text",
            )
        position = start + len(word)
        places.append((start, position))
    return Words(example.words, tuple(places))


def split_words(text: str) -> Words:
    """Words as treebanks have them, roughly: letters and digits together, each other sign alone.

    Apostrophes, hyphens and full stops between two letters or digits belong to the word. In scripts without spaces
    each letter with its marks is a word.
    """
    found: list[list[int]] = []
    for match in _CANDIDATE.finditer(text):
        start, end = match.span()
        marks = unicodedata.category(match[0][0]).startswith("M")
        joins = found and found[-1][1] == start and (marks or _joins(text, found[-1], start))
        if joins:
            found[-1][1] = end
        else:
            found.append([start, end])
    # A sign that was kept because a letter might follow, and none did, stands alone again.
    places: list[tuple[int, int]] = []
    for start, end in found:
        while end - start > 1 and text[end - 1] in _INNER:
            end -= 1
        places.append((start, end))
        places += [(place, place + 1) for place in range(end, _end_of(found, start))]
    return Words(tuple(text[start:end] for start, end in places), tuple(places))


def token_of_words(places: Sequence[tuple[int, int]], windows: Sequence[Any]) -> list[tuple[int, int]]:
    """For each word the window and the place in it of the token that speaks for it: the first one that covers it.

    Where several windows have the word, the one in which it is furthest from the window's ends: there it has the most
    context. A word that no token covers (its characters may be ones that the tokenizer leaves out) has the token
    before it, and where there is none the first of the row.
    """
    options: list[list[tuple[int, int, int]]] = [[] for _ in places]
    for row, window in enumerate(windows):
        tokens = window.tokens_of_text(0)
        starts = [start for _, start, _ in tokens]
        first = 0
        for word, (start, end) in enumerate(places):
            while first < len(tokens) and tokens[first][2] <= start:
                first += 1
            index = first
            # A token of no width, or of nothing but the space before, does not cover the word.
            while index < len(tokens) and tokens[index][1] < end and tokens[index][2] <= max(start, tokens[index][1]):
                index += 1
            if index < len(tokens) and tokens[index][1] < end:
                options[word].append((min(index, len(tokens) - 1 - index), -row, tokens[index][0]))
            elif row == len(windows) - 1 and not options[word]:
                before = bisect_right(starts, start) - 1
                options[word].append((0, -row, tokens[before][0] if before >= 0 else 0))
    return [(-row, token) for _, row, token in map(max, options)]


def _joins(text: str, word: Sequence[int], start: int) -> bool:
    """Whether what begins here goes on with the word that ends here."""
    before, here = text[start - 1], text[start]
    if is_unspaced(text[word[0]]) or is_unspaced(here):
        return False
    # A mark that is no letter to a regular expression, such as a vowel sign, is within a word for all that.
    inside = before.isalnum() or unicodedata.category(before).startswith("M")
    if here in _INNER:
        return inside and start + 1 < len(text) and text[start + 1].isalnum()
    return here.isalnum() and (inside or (before in _INNER and start - 1 > word[0]))


def is_unspaced(character: str) -> bool:
    """Whether a character is of a script that puts no space between words."""
    return re.match(f"[{_UNSPACED}]", character) is not None


def _end_of(found: Sequence[Sequence[int]], start: int) -> int:
    return next(end for first, end in found if first == start)

"""SentencePiece's normalisation with the means of the `tokenizers` library.

`tokenizers.normalizers.Precompiled` reads the same table, but goes by grapheme clusters, of which it replaces the first
match and loses the rest: an accent that follows another one, for one. Here characters that compose are composed (NFC),
as SentencePiece's table does with them, and all others are looked up one by one. Where NFC would change the order of
marks, which SentencePiece leaves as it is (a shadda before a vowel sign), a control character keeps them apart; the
table maps it to nothing.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from lect.backbones.charsmap import any_of, character_steps, read_charsmap

_MOST_OTHERS = 1e-3


@lru_cache(maxsize=4)
def build_normalizer(charsmap: bytes, *, collapses_spaces: bool) -> Any:
    """A `tokenizers` normaliser that does to a text what SentencePiece does, but for the space before it.

    Args:
        charsmap: SentencePiece's compiled table of replacements; empty for none.

    Raises:
        ValueError: the table is damaged.
    """
    from tokenizers import Regex, normalizers

    steps: list[Any] = []
    table = read_charsmap(charsmap) if charsmap else {}
    single = {key: value for key, value in table.items() if len(key) == 1}
    breaker = next((key for key, value in sorted(single.items()) if not value and _is_control(key)), None)
    parts = {character for key in table if len(key) > 1 for character in key}
    # What composes under another name, as a letter of full width does, is called by its own first. So is no mark that
    # becomes a letter where it does not compose.
    early = {
        character: value
        for character, value in single.items()
        if not value or (character in parts and not (_is_mark(character) and not _is_mark(value[0])))
    }
    if table and (breaker is None or not _composes_as_unicode(table, early, single)):
        steps.append(normalizers.Precompiled(charsmap))
    elif table:
        if parts:
            steps += character_steps(early)
            steps += [normalizers.Replace(Regex(_where_nfc_reorders(parts)), breaker), normalizers.NFC()]
        steps += character_steps(single)
    if collapses_spaces:
        steps += [
            normalizers.Replace(Regex(" {2,}"), " "),
            normalizers.Replace(Regex("\\A +| +\\z"), ""),
        ]
    return normalizers.Sequence(steps) if steps else None


def _composes_as_unicode(table: Mapping[str, str], early: Mapping[str, str], single: Mapping[str, str]) -> bool:
    """Whether the table makes of several characters what NFC makes of them; a user's own rule may not.

    SentencePiece's rule with case folding does so but for a Turkish capital that is written as letter and dot.
    """

    def composed(text: str) -> str:
        text = unicodedata.normalize("NFC", "".join(early.get(character, character) for character in text))
        return "".join(single.get(character, character) for character in text)

    # The table may be of a newer version of Unicode than Python is.
    others = sum(
        composed(key) != value
        for key, value in table.items()
        if len(key) > 1 and not any(unicodedata.category(character) == "Cn" for character in key + value)
    )
    return others <= _MOST_OTHERS * len(table)


def _where_nfc_reorders(parts: set[str]) -> str:
    """A pattern of the places in front of marks that NFC would move, or that the table composes with nothing.

    Args:
        parts: the characters of which the table composes others.
    """
    composing = {character for character in parts if _is_mark(character)}
    marks, ends = set(), defaultdict(set)
    for character in map(chr, range(0x110000)):
        if _is_mark(character):
            marks.add(character)
        elif not unicodedata.decomposition(character):
            continue
        if last := unicodedata.combining(unicodedata.normalize("NFD", character)[-1]):
            ends[last].add(character)
    places = [f"(?={any_of(marks - composing)})"]
    for order in sorted({unicodedata.combining(character) for character in composing}):
        above = [character for last, characters in ends.items() if last > order for character in characters]
        own = [character for character in composing if unicodedata.combining(character) == order]
        if above:
            places.append(f"(?<={any_of(above)})(?={any_of(own)})")
    # Most characters are no marks: that is looked at first.
    return f"(?={any_of(marks)})(?<=[\\s\\S])(?:{'|'.join(places)})"


def _is_mark(character: str) -> bool:
    return unicodedata.combining(character) != 0


def _is_control(character: str) -> bool:
    # CR and LF join each other.
    return unicodedata.category(character) == "Cc" and character not in "\0\r\n"

"""SentencePiece's normalisation with the means of the `tokenizers` library.

`tokenizers.normalizers.Precompiled` reads the same table, but goes by grapheme clusters, of which it replaces the first
match and loses the rest: an accent that follows another one, for one. Here characters that compose are composed first
(NFC), as SentencePiece's table does with them, and then every character is looked up by itself: a control character,
which ends a cluster always and which the table maps to nothing, is put behind each one that the table has.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np

_HAS_LEAF, _IS_LEAF = 1 << 8, 1 << 31


def build_normalizer(charsmap: bytes, *, collapses_spaces: bool) -> Any:
    """A `tokenizers` normaliser that does to a text what SentencePiece does, but for the space before it.

    Args:
        charsmap: SentencePiece's compiled table of replacements; empty for none.
    """
    from tokenizers import Regex, normalizers

    steps: list[Any] = []
    table = read_charsmap(charsmap) if charsmap else {}
    single = {key: value for key, value in table.items() if len(key) == 1}
    breaker = next((key for key, value in sorted(single.items()) if not value and _ends_clusters(key)), None)
    if table and breaker is None:
        steps.append(normalizers.Precompiled(charsmap))
    elif table:
        if len(single) < len(table):
            steps.append(normalizers.NFC())
        # `Precompiled` loses count of what it removes before the first character that stays.
        steps.append(normalizers.Replace(Regex(_any_of(key for key, value in single.items() if not value)), ""))
        kept = [key for key, value in single.items() if value]
        if kept:
            steps.append(normalizers.Replace(Regex(f"(?<={_any_of(kept)})"), breaker))
            steps.append(normalizers.Precompiled(charsmap))
    if collapses_spaces:
        steps += [
            normalizers.Replace(Regex(" {2,}"), " "),
            normalizers.Replace(Regex("\\A +| +\\z"), ""),
        ]
    return normalizers.Sequence(steps) if steps else None


def read_charsmap(charsmap: bytes) -> dict[str, str]:
    """The table: what is replaced, of one character or several, and what takes its place.

    Its bytes are the length of a trie, the trie as a double array (Aoe 1989; the layout is that of Darts-clone), and
    the replacements, each ended by a NUL.

    Raises:
        ValueError: they are not.
    """
    size = int.from_bytes(charsmap[:4], "little")
    if size % 4 or size + 4 > len(charsmap):
        raise ValueError("its table of replacements is cut short")
    units = np.frombuffer(charsmap, dtype="<u4", count=size // 4, offset=4).astype(np.int64)
    replacements = charsmap[4 + size :]
    labels = units & (_IS_LEAF | 0xFF)
    places = np.flatnonzero((labels > 0) & (labels < 256))
    children: dict[int, list[tuple[int, int]]] = {}
    for place, label in zip(places.tolist(), labels[places].tolist(), strict=True):
        children.setdefault(place ^ label, []).append((place, label))
    table: dict[str, str] = {}
    waiting = [(0, b"")]
    while waiting:
        place, key = waiting.pop()
        unit = int(units[place])
        base = place ^ ((unit >> 10) << ((unit & (1 << 9)) >> 6))
        if key and unit & _HAS_LEAF:
            start = int(units[base]) & (_IS_LEAF - 1)
            table[key.decode("utf-8")] = replacements[start : replacements.index(b"\0", start)].decode("utf-8")
        waiting += [(child, key + bytes([label])) for child, label in children.get(base, ())]
    return table


def _ends_clusters(character: str) -> bool:
    # CR and LF join each other.
    return unicodedata.category(character) == "Cc" and character not in "\0\r\n"


def _any_of(characters: Iterable[str]) -> str:
    """A character class in Oniguruma's syntax."""
    runs: list[list[int]] = []
    for code in sorted(map(ord, characters)):
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return "[" + "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in runs) + "]"

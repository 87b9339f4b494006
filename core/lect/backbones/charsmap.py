"""Tables of replacements for single characters, as normalisers of the `tokenizers` library.

`tokenizers.normalizers.Precompiled` reads SentencePiece's precompiled character map: the length of a trie in bytes, the
trie as a double array (Aoe 1989; the layout is that of Darts-clone), and the replacements, each ended by a NUL.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["any_of", "character_steps", "precompiled_charsmap", "read_charsmap"]

_BLOCK = 256
_HAS_VALUE = 1 << 8
_IS_VALUE = 1 << 31
_MAX_OFFSET = 1 << 21
_MOST_STEPS, _LONGEST_KEY = 1 << 22, 1024
#: What breaks clusters though it is no control character: the zero width space, and the word joiner.
_SPACELESS = "\u200b\u2060"


def character_steps(table: Mapping[str, str], unused: str | None = None) -> list[Any]:
    """Normalisers of `tokenizers` that take every character by the table, whatever stands beside it.

    `Precompiled` does not go by characters but by grapheme clusters: where the first character of a short cluster is
    in the table, its replacement takes the place of the whole cluster, and the marks behind it are lost. So a control
    character, which ends a cluster always, is put behind each such character; it is itself one that the table maps to
    nothing, and goes with the rest. Characters that map to nothing go first, since `Precompiled` loses count of what it
    removes before the first character that stays.

    Args:
        unused: a control character that texts do not need, for a table that removes none.

    Raises:
        ValueError: the table removes no control character, and there is no other.
    """
    from tokenizers import Regex, normalizers

    removed = {character for character, replacement in table.items() if not replacement}
    kept = {character: replacement for character, replacement in table.items() if replacement}
    steps: list[Any] = []
    if removed:
        steps.append(normalizers.Replace(Regex(any_of(removed)), ""))
    if kept:
        breaker = next((character for character in sorted(removed) if _ends_clusters(character)), unused)
        if breaker is None:
            raise ValueError("the normalisation table removes no control character")
        # Of what follows, only what is beyond ASCII can join a cluster.
        steps.append(normalizers.Replace(Regex(f"(?<={any_of(kept)})(?=[^\\x00-\\x7f])"), breaker))
        steps.append(normalizers.Precompiled(precompiled_charsmap({**kept, breaker: ""})))
    return steps


def any_of(characters: Iterable[str]) -> str:
    """A character class in Oniguruma's syntax."""
    runs: list[list[int]] = []
    for code in sorted(map(ord, characters)):
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return "[" + "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in runs) + "]"


def precompiled_charsmap(table: Mapping[str, str]) -> bytes:
    """The map's bytes.

    Args:
        table: single characters to what replaces them; a replacement holds no NUL, and no key is one.

    Raises:
        ValueError: a key or a replacement is not of that kind, or the table is too large for the format.
    """
    positions: dict[str, int] = {}
    replacements = bytearray()
    keys: dict[bytes, int] = {}
    for character, replacement in sorted(table.items()):
        if len(character) != 1 or character == "\0" or "\0" in replacement:
            raise ValueError(f"{character!r} to {replacement!r} does not fit into a character map")
        if replacement not in positions:
            positions[replacement] = len(replacements)
            replacements += replacement.encode() + b"\0"
        keys[character.encode()] = positions[replacement]
    trie = _double_array(keys)
    return struct.pack("<I", len(trie)) + trie + bytes(replacements)


def read_charsmap(data: bytes) -> dict[str, str]:
    """What a map's bytes replace, of one character or several, and what takes its place.

    Raises:
        ValueError: the bytes are no such map, or cut short.
    """
    try:
        (size,) = struct.unpack_from("<I", data)
        if size % 4:
            raise ValueError("its trie is no array")
        units = struct.unpack_from(f"<{size // 4}I", data, 4)
        children: dict[int, list[tuple[int, int]]] = {}
        for position, unit in enumerate(units):
            # Of a value, and of a place that is not taken, it is no byte.
            if 0 < (label := unit & (_IS_VALUE | 0xFF)) < _BLOCK:
                children.setdefault(position ^ label, []).append((position, label))
        table: dict[str, str] = {}
        waiting, seen = [(0, b"")], 0
        while waiting:
            position, key = waiting.pop()
            seen += 1
            # Keys that end alike share their ends, so a unit may be met often; but one that leads to itself for ever.
            if seen > _MOST_STEPS or len(key) > _LONGEST_KEY:
                raise ValueError("its trie has no end")
            unit = units[position]
            base = position ^ ((unit >> 10) << ((unit & 1 << 9) >> 6))
            if key and unit & _HAS_VALUE:
                start = 4 + size + (units[base] & ~_IS_VALUE)
                table[key.decode()] = data[start : data.index(b"\0", start)].decode()
            waiting += [(child, key + bytes([label])) for child, label in children.get(base, ())]
    except (struct.error, IndexError, ValueError) as error:
        raise ValueError(f"the character map is damaged ({error})") from error
    return table


def _ends_clusters(character: str) -> bool:
    # NUL is the one control character that a character map cannot hold; CR and LF join each other. Of the characters
    # that format, some join what they stand beside.
    return (unicodedata.category(character) == "Cc" and character not in "\0\r\n") or character in _SPACELESS


def _double_array(keys: Mapping[bytes, int]) -> bytes:
    """The units of a trie over keys none of which begins another.

    Each unit is 32 bits: the byte that leads to the node, whether a value stands below it, and by what its own
    position is to be XORed to give its base. A node's child over byte `b` stands at the base XOR `b`, its value at the
    base itself. No two nodes share a base, so a unit's byte tells whose child it is.
    """
    units = [0] * _BLOCK
    taken = {0}  # by the root
    bases = {0}

    def place(labels: list[int], start: int) -> int:
        position = start
        while (base := position ^ labels[0]) in bases or not taken.isdisjoint(base ^ label for label in labels):
            position += 1
        while len(units) <= base | (_BLOCK - 1):
            units.extend([0] * _BLOCK)
        taken.update(base ^ label for label in labels)
        bases.add(base)
        return base

    def point(position: int, base: int) -> None:
        if position ^ base >= _MAX_OFFSET:
            raise ValueError("too many characters for a character map")
        units[position] |= (position ^ base) << 10

    ends: list[tuple[int, int]] = []
    waiting: list[tuple[int, Mapping[bytes, int]]] = [(0, keys)]
    while waiting:
        position, below = waiting.pop()
        if b"" in below:
            ends.append((position, below[b""]))
            continue
        branches: dict[int, dict[bytes, int]] = {}
        for key, value in below.items():
            branches.setdefault(key[0], {})[key[1:]] = value
        if not branches:
            continue
        base = place(sorted(branches), 1)
        point(position, base)
        for label, rest in branches.items():
            units[base ^ label] = label
            waiting.append((base ^ label, rest))
    # Values need one place each and take what is left between the nodes.
    base = 0
    for position, value in ends:
        base = place([0], base + 1)
        point(position, base)
        units[position] |= _HAS_VALUE
        units[base] = value | _IS_VALUE
    return struct.pack(f"<{len(units)}I", *units)

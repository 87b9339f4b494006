"""A table of replacements for single characters as the `tokenizers` library takes it.

`tokenizers.normalizers.Precompiled` reads SentencePiece's precompiled character map: the length of a trie in bytes, the
trie as a double array (Aoe 1989; the layout is that of Darts-clone), and the replacements, each ended by a NUL.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

_BLOCK = 256
_HAS_VALUE = 1 << 8
_IS_VALUE = 1 << 31
_MAX_OFFSET = 1 << 21


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

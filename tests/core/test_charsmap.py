"""Character maps as SentencePiece compiles them: read as they were written, and refused where they are damaged."""

from __future__ import annotations

import struct

import pytest

from lect.backbones.charsmap import precompiled_charsmap, read_charsmap


def test_a_map_is_read_as_it_was_written():
    table = {"ﬁ": "fi", "\u200b": "", "é": "e", "a": "b"}
    assert read_charsmap(precompiled_charsmap(table)) == table


def trie(*units):
    return struct.pack(f"<{len(units) + 1}I", 4 * len(units), *units)


# The unit of "a" says that it is its own child.
ENDLESS = trie(*(97 | 97 << 10 if place == 97 else 0 for place in range(256)))


@pytest.mark.parametrize(
    "data",
    [b"", b"\x03\0\0\0abc", precompiled_charsmap({"a": "b"})[:600], precompiled_charsmap({"a": "b"})[:-1], ENDLESS],
)
def test_a_damaged_map_is_refused(data):
    with pytest.raises(ValueError, match="the character map is damaged"):
        read_charsmap(data)

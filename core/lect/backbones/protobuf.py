"""Protocol buffers as they lie in bytes: fields by their numbers, without the classes that `protoc` would make.

The encoding is that of https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

__all__ = ["as_float", "fields", "first", "signed", "stated", "varint"]

Field = tuple[int, "int | bytes"]
"""A field's number, and its value: an integer for varints and fixed numbers, bytes for all else."""


def fields(message: bytes) -> Iterator[Field]:
    """The fields of a message in their order.

    Raises:
        ValueError: it is cut short, or no message.
    """
    position = 0
    while position < len(message):
        tag, position = varint(message, position)
        kind = tag & 7
        value: int | bytes
        if kind == 0:
            value, position = varint(message, position)
        elif kind in _FIXED:
            size = struct.calcsize(_FIXED[kind])
            value = struct.unpack(_FIXED[kind], _take(message, position, size))[0]
            position += size
        elif kind == 2:
            size, position = varint(message, position)
            value = _take(message, position, size)
            position += size
        else:
            raise ValueError(f"a field of kind {kind}")
        yield tag >> 3, value


def first(message: bytes, number: int, default: int | bytes) -> int | bytes:
    """A field that is there once at most; the last one counts, as the encoding has it.

    Raises:
        ValueError: the message is broken, or the field of another kind than the default.
    """
    return stated(dict(fields(message)), number, default)


def stated(message: Mapping[int, int | bytes], number: int, default: int | bytes) -> int | bytes:
    """The same of a message whose fields have been read: of one that is asked for several of them."""
    found = message.get(number, default)
    if type(found) is not type(default):
        raise ValueError(f"field {number} is of another kind")
    return found


def varint(data: bytes, position: int) -> tuple[int, int]:
    """An integer of seven bits a byte, and where it ends. Raises `ValueError` where the data ends before."""
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ValueError("a number is cut short")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def signed(value: int) -> int:
    """A varint as the signed number of 64 bits that it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def as_float(value: int) -> float:
    """A fixed number of 32 bits as the float that it stands for."""
    return float(struct.unpack("<f", struct.pack("<I", value))[0])


_FIXED = {1: "<Q", 5: "<I"}


def _take(data: bytes, position: int, size: int) -> bytes:
    if position + size > len(data):
        raise ValueError("a field is cut short")
    return data[position : position + size]

"""The header of a safetensors file, checked against the file before anything is allocated for it.

The format: eight bytes with the header's length, the header as JSON, then the tensors' bytes without gaps
(https://huggingface.co/docs/safetensors, "Format").
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from lect.errors import ComponentError

MAX_HEADER_BYTES = 16 * 2**20
ITEM_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
"""The safetensors types that torch reads, and the bits of one value."""


def check_weights(file: Path) -> tuple[str, ...]:
    """The names of the tensors in a safetensors file, whose header fits the file to the byte.

    Raises:
        ComponentError: it is a pickle or an archive, truncated, or otherwise not safetensors.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            start = stream.read(8)
            length = int.from_bytes(start, "little")
            whole = len(start) == 8 and length <= min(MAX_HEADER_BYTES, size - 8)
            header = stream.read(length) if whole else b""
    except OSError as problem:
        _refuse(file, f"cannot be read ({problem.strerror or problem})")
    if not whole or header[:1] != b"{":
        _refuse_foreign(file, start, size, length)
    entries = _parsed(file, header)
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        _refuse(file, "its metadata is not a table of texts")
    ends = sorted(_span(file, name, entry) for name, entry in entries.items())
    _check_spans(file, ends, size - 8 - length)
    return tuple(entries)


def _refuse_foreign(file: Path, start: bytes, size: int, length: int) -> NoReturn:
    # Protocols 2 to 5 of pickle begin so; torch.save writes a zip archive with a pickle in it.
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        _refuse(file, "is a pickle, which can run code when it is read; lect never opens one", _AS_SAFETENSORS)
    if start[:4] == b"PK\x03\x04":
        _refuse(file, "is a zip archive, as torch.save writes pickles; lect never opens one", _AS_SAFETENSORS)
    if 8 <= size < 8 + length <= 8 + MAX_HEADER_BYTES:
        _refuse(file, f"is cut short: {size:,} bytes, and its header alone has {length:,}")
    _refuse(file, "is not a safetensors file" if size else "is empty")


def _parsed(file: Path, header: bytes) -> dict[str, Any]:
    try:
        entries = json.loads(header.decode(), object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        _refuse(file, "its header is not valid JSON, or says something twice")
    if not isinstance(entries, dict):
        _refuse(file, "its header is not a table of tensors")
    return entries


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of two with one name another reader might take the other.
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    for text in (*found, *(value for value in found.values() if isinstance(value, str))):
        # Half of a surrogate pair is no text.
        text.encode()
    return found


def _span(file: Path, name: str, entry: Any) -> tuple[int, int, str]:
    """Where a tensor's bytes begin and end, which is as many as its type and shape take."""
    shown = repr(name[:80])
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        _refuse(file, f"the tensor {shown} is not described by dtype, shape and data_offsets")
    bits = ITEM_BITS.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if bits is None:
        _refuse(file, f"the tensor {shown} is of an unknown type")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not (_are_counts(shape) and _are_counts(offsets) and len(offsets) == 2 and len(shape) <= 32):
        _refuse(file, f"the tensor {shown} has no valid shape or place")
    begin, end = offsets
    if (end - begin) * 8 != math.prod(shape) * bits:
        _refuse(file, f"the tensor {shown} has {end - begin:,} bytes, which its shape {shape} does not take")
    return begin, end, name


def _check_spans(file: Path, spans: list[tuple[int, int, str]], size: int) -> None:
    position = 0
    for begin, end, name in spans:
        if begin != position:
            _refuse(file, f"the tensor {name[:80]!r} overlaps another, or leaves a gap before it")
        position = end
    if position > size:
        _refuse(file, f"is cut short: {size:,} bytes of tensors, and its header says {position:,}")
    if position < size:
        _refuse(file, f"has {size - position:,} bytes that belong to no tensor")


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


_AS_SAFETENSORS = "get the component with its weights as safetensors"


def _refuse(file: Path, what: str, fix: str = "fetch or train the component again") -> NoReturn:
    raise ComponentError(what, where=str(file), fix=fix)

"""SentencePiece's model file: its pieces, and how it normalises text.

The file is a protocol buffer (`sentencepiece_model.proto`). The few fields that are needed are read here: the library
protobuf would need code that is generated for it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lect import BackboneError

_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = range(1, 7)
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class SentencePieceModel:
    """What a model file says.

    Args:
        scores: of each piece that a text can be cut into, in the file's order.
        user_defined: pieces that are cut out of a text before anything else.
        is_bpe: whether it merges pairs (BPE), instead of choosing the likeliest cut (unigrams).
        byte_fallback: whether what it has no piece for becomes pieces of bytes.
        charsmap: its table of replacements, compiled; empty for none.
        dummy_prefix: whether a space is put before every text.
        collapses_spaces: whether runs of spaces become one, and spaces around a text go.
    """

    scores: dict[str, float]
    user_defined: frozenset[str]
    is_bpe: bool
    byte_fallback: bool
    charsmap: bytes
    dummy_prefix: bool
    collapses_spaces: bool


def read_model(file: Path) -> SentencePieceModel:
    """The model in a file. Raises `BackboneError` where it is no such file, cut short, or of words or characters."""
    pieces: dict[str, float] = {}
    user_defined = set()
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    try:
        for field, content in _fields(file.read_bytes()):
            if field == _PIECES and isinstance(content, bytes):
                own = dict(_fields(content))
                text, kind = bytes(own[1]).decode("utf-8"), own.get(3, _NORMAL)  # type: ignore[arg-type]
                score = struct.unpack("<f", own[2])[0] if isinstance(own.get(2), bytes) else 0.0
                if kind in (_NORMAL, _USER_DEFINED, _BYTE):
                    pieces[text] = score
                if kind == _USER_DEFINED:
                    user_defined.add(text)
            elif field == _TRAINER and isinstance(content, bytes):
                trainer = dict(_fields(content))
            elif field == _NORMALIZER and isinstance(content, bytes):
                normalizer = dict(_fields(content))
    except (OSError, ValueError, KeyError, IndexError, struct.error) as error:
        raise BackboneError("it is no model of SentencePiece, or cut short", where=str(file)) from error
    kind = trainer.get(3, 1)
    if not pieces or kind not in (1, 2):
        raise BackboneError("it is no model of SentencePiece with unigrams or BPE", where=str(file))
    charsmap = normalizer.get(2, b"")
    return SentencePieceModel(
        pieces,
        frozenset(user_defined),
        is_bpe=kind == 2,
        byte_fallback=bool(trainer.get(35, 0)),
        charsmap=charsmap if isinstance(charsmap, bytes) else b"",
        dummy_prefix=bool(normalizer.get(3, 1)),
        collapses_spaces=bool(normalizer.get(4, 1)),
    )


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message, each with its number. Raises `ValueError` or `IndexError` where it is none."""
    position = 0
    while position < len(content):
        tag, position = _varint(content, position)
        kind = tag & 7
        if kind == _VARINT:
            value, position = _varint(content, position)
            yield tag >> 3, value
            continue
        if kind == _BYTES:
            size, position = _varint(content, position)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError("no such kind of field")
        if position + size > len(content):
            raise ValueError("cut short")
        yield tag >> 3, content[position : position + size]
        position += size


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise ValueError("no number is as long")

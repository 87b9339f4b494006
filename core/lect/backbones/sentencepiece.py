"""SentencePiece's model file: its pieces, and how it normalises text.

The file is a `ModelProto` (https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lect.backbones.protobuf import as_float, fields, stated

__all__ = [
    *("BPE", "UNIGRAM"),
    *("BYTE", "CONTROL", "NORMAL", "UNKNOWN", "UNUSED", "USER_DEFINED"),
    *("SentencePieceModel", "read_sentencepiece"),
]

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""The kinds of pieces."""
UNIGRAM, BPE = 1, 2
"""The algorithms: the likeliest cut, and merges of pairs. Others cut at spaces alone, or at every character."""
_NAMES = {"unk": (40, 0), "bos": (41, 1), "eos": (42, 2), "pad": (43, (1 << 64) - 1)}


@dataclass(frozen=True)
class SentencePieceModel:
    """What a model file says.

    Args:
        kinds: what each piece is.
        names: which piece is the unknown token, the beginning, the end and the padding, by ``unk``, ``bos`` …
        byte_fallback: whether what it has no piece for becomes pieces of bytes.
        charsmap: the precompiled map of characters (`lect.backbones.charsmap`); empty for none.
        dummy_prefix: whether a space is put before every text.
        collapses_spaces: whether runs of spaces become one, and spaces around a text go.
        marks_ends: whether the space of a word stands behind it.
    """

    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    kinds: tuple[int, ...]
    algorithm: int
    names: Mapping[str, int]
    byte_fallback: bool
    charsmap: bytes
    dummy_prefix: bool
    collapses_spaces: bool
    marks_ends: bool

    def of_kinds(self, *kinds: int) -> dict[str, float]:
        """The pieces of these kinds with their scores, in the order of the file."""
        found = zip(self.pieces, self.scores, self.kinds, strict=True)
        return {piece: score for piece, score, kind in found if kind in kinds}


def read_sentencepiece(data: bytes) -> SentencePieceModel:
    """The model in a file's bytes. Raises `ValueError` where they are none, or cut short."""
    message = list(fields(data))
    pieces = [dict(fields(bytes(value))) for number, value in message if number == 1]
    if any(1 not in piece for piece in pieces):
        raise ValueError("a piece without a text")
    whole = dict(message)
    trainer, normalizer = (dict(fields(bytes(stated(whole, number, b"")))) for number in (2, 3))
    ids = {name: int(stated(trainer, number, default)) for name, (number, default) in _NAMES.items()}
    return SentencePieceModel(
        pieces=tuple(bytes(stated(piece, 1, b"")).decode() for piece in pieces),
        scores=tuple(as_float(int(stated(piece, 2, 0))) for piece in pieces),
        kinds=tuple(int(stated(piece, 3, NORMAL)) for piece in pieces),
        algorithm=int(stated(trainer, 3, UNIGRAM)),
        names={name: index for name, index in ids.items() if 0 <= index < len(pieces)},
        byte_fallback=bool(stated(trainer, 35, 0)),
        charsmap=bytes(stated(normalizer, 2, b"")),
        dummy_prefix=bool(stated(normalizer, 3, 1)),
        collapses_spaces=bool(stated(normalizer, 4, 1)),
        marks_ends=bool(stated(trainer, 24, 0)),
    )

"""The SentencePiece model beside a checkpoint, and what fairseq's texts can be cut into by it."""

from __future__ import annotations

from pathlib import Path

from lect import BackboneError
from lect.backbones.sentencepiece import (
    BPE,
    BYTE,
    NORMAL,
    UNIGRAM,
    USER_DEFINED,
    SentencePieceModel,
    read_sentencepiece,
)


def read_model(file: Path) -> SentencePieceModel:
    """The model in a file. Raises `BackboneError` where it is no such file, cut short, or of words or characters."""
    try:
        model = read_sentencepiece(file.read_bytes())
    except (OSError, ValueError) as error:
        raise BackboneError("it is no model of SentencePiece, or cut short", where=str(file)) from error
    if not scores_of(model) or model.algorithm not in (UNIGRAM, BPE):
        raise BackboneError("it is no model of SentencePiece with unigrams or BPE", where=str(file))
    return model


def scores_of(model: SentencePieceModel) -> dict[str, float]:
    """The score of each piece that a text can be cut into, in the file's order."""
    return model.of_kinds(NORMAL, USER_DEFINED, BYTE)

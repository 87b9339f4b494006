"""A SentencePiece model, as TensorFlow Text's `SentencepieceTokenizer` reads it, as one of the `tokenizers` library."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from lect import BackboneError
from lect.backbones.charsmap import any_of, character_steps, read_charsmap
from lect.backbones.sentencepiece import (
    BPE,
    CONTROL,
    NORMAL,
    UNIGRAM,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    SentencePieceModel,
    read_sentencepiece,
)
from lect_tensorflow.characters import folding, members

_SPACE = "▁"
#: Characters that no text has, or needs.
_NEVER, _BETWEEN = "\1", "\U0010fffe"
_CLASSES = {
    "[CLS]": "cls_token",
    "[SEP]": "sep_token",
    "[MASK]": "mask_token",
    "<pad>": "pad_token",
    "[PAD]": "pad_token",
}


def read_model(data: bytes) -> SentencePieceModel:
    """Read a model file. Raises `BackboneError` where it is none, is cut short, or needs what cannot be expressed."""
    try:
        model = read_sentencepiece(data)
    except ValueError as error:
        raise BackboneError(f"it is no SentencePiece model, or damaged ({error})", fix="copy it again") from error
    if UNKNOWN not in model.kinds:
        raise BackboneError("it is no SentencePiece model: it has no unknown piece")
    if model.algorithm not in (UNIGRAM, BPE) or model.marks_ends:
        raise BackboneError("its SentencePiece model is of words, of characters, or marks the ends of words")
    return model


def build_sentencepiece(
    model: SentencePieceModel, *, lower_case: bool = False, strip_accents: bool = False, ends: tuple[str, str] | None
) -> Any:
    """A `tokenizers.Tokenizer` with the model's own ids.

    Args:
        lower_case, strip_accents: what Model Garden's `SentencepieceTokenizer` does before the model does its own.
        ends: the pieces that a text begins and ends with, an empty one for none.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(_algorithm(model))
    steps: list[Any] = []
    if strip_accents:
        steps += [normalizers.NFD(), normalizers.Replace(Regex(any_of(members("accents"))), "")]
    if lower_case:
        steps += [*character_steps(folding()), normalizers.NFC()]
    if model.charsmap:
        try:
            steps += _mapped(read_charsmap(model.charsmap))
        except ValueError as error:
            raise BackboneError(str(error)) from error
    if model.collapses_spaces:
        # The first of several spaces stays, for its place. Other white space than the space is no space here.
        steps += [normalizers.Replace(Regex(pattern), "") for pattern in ("^ +| +$", "(?<= ) +")]
    tokenizer.normalizer = normalizers.Sequence(steps)
    scheme = "always" if model.dummy_prefix else "never"
    crosses = any(_SPACE in piece[1:].lstrip(_SPACE) for piece in model.pieces)
    space = {"replacement": _SPACE, "prepend_scheme": scheme}
    cuts: list[Any] = [pre_tokenizers.Metaspace(**space, split=not crosses)]
    if special := list(model.of_kinds(CONTROL, UNKNOWN)):
        # A text that names a special piece does not mean it: its first character is parted from the rest.
        named = "|".join(f"(?<={_escaped(piece[:1])})(?={_escaped(piece[1:])})" for piece in special if len(piece) > 1)
        cuts.append(pre_tokenizers.Split(Regex(named), "isolated"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(piece, normalized=False, special=True) for piece in special])
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in model.of_kinds(USER_DEFINED)])
    if ends is not None and any(ends):
        begin, end = (f"{piece} " if piece else "" for piece in ends)
        classes = "1" if begin else "0"
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{begin}$A {end}".strip(),
            pair=" ".join(f"{begin}$A {end}$B:{classes} {end.strip()}".split()) + (f":{classes}" if end else ""),
            special_tokens=[(piece, model.pieces.index(piece)) for piece in set(ends) if piece],
        )
    tokenizer.encode_special_tokens = True
    return tokenizer


def sentencepiece_config(model: SentencePieceModel, longest: int) -> Mapping[str, Any]:
    """What `transformers` wants to know of it beside."""
    named = {f"{name}_token": model.pieces[index] for name, index in model.names.items()}
    named["unk_token"] = model.pieces[model.kinds.index(UNKNOWN)]
    named |= {_CLASSES[piece]: piece for piece in model.pieces if piece in _CLASSES}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": longest,
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": True,
        **named,
    }


def _escaped(text: str) -> str:
    return "".join(f"\\x{{{ord(character):x}}}" for character in text)


def _algorithm(model: SentencePieceModel) -> Any:
    from tokenizers import models

    unknown = model.kinds.index(UNKNOWN)
    if model.algorithm == BPE:
        ids = {piece: index for index, piece in enumerate(model.pieces)}
        return models.BPE(
            ids,
            _merges(model),
            unk_token=model.pieces[unknown],
            fuse_unk=True,
            byte_fallback=model.byte_fallback,
        )
    lowest = min(model.of_kinds(NORMAL).values())
    # The others are never chosen in a text: pieces that are not in use get a name that no text has.
    scored = [
        (f"{_NEVER}{piece}" if kind == UNUSED else piece, score if kind == NORMAL else lowest)
        for piece, score, kind in zip(model.pieces, model.scores, model.kinds, strict=True)
    ]
    return models.Unigram(scored, unknown, model.byte_fallback)


def _merges(model: SentencePieceModel) -> list[tuple[str, str]]:
    """Every way to make a piece of two, those of the best pieces first."""
    usable = model.of_kinds(NORMAL)
    ranks = {
        piece: (-score, index) for index, (piece, score) in enumerate(zip(model.pieces, model.scores, strict=True))
    }
    return [
        (piece[:cut], piece[cut:])
        for piece in sorted(usable, key=ranks.__getitem__)
        for cut in range(1, len(piece))
        if piece[:cut] in usable and piece[cut:] in usable
    ]


def _mapped(table: Mapping[str, str]) -> list[Any]:
    """The map of single characters, then those that a map of NFKC has in two or three made one.

    SentencePiece leaves marks in their order where they do not join a letter; NFC sorts them, but for what is put
    between the marks of the scripts that have several on a letter.
    """
    from tokenizers import Regex, normalizers

    table = {key: replacement for key, replacement in table.items() if len(key) == 1}
    if not any(len(character.encode()) > 1 for character in table):
        return character_steps(table, _NEVER)
    marks = any_of(
        chr(code)
        for code in (*range(0x483, 0x1AB0), *range(0x1B00, 0x1DC0), *range(0x2DE0, 0x20000))
        if unicodedata.combining(chr(code))
    )
    return [
        normalizers.Replace(Regex(f"(?<={marks})(?={marks})"), _BETWEEN),
        *character_steps(table, _NEVER),
        normalizers.NFC(),
        normalizers.Replace(_BETWEEN, ""),
    ]

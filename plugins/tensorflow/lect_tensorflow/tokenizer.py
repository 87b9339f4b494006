"""Which tokenizer a folder of TensorFlow's has, as `tensorflow_text.json` says it or the files let it be known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from lect import BackboneError, Config
from lect_tensorflow.encoder import Shape
from lect_tensorflow.layout import SETTINGS, vocabularies
from lect_tensorflow.sentencepiece import build_sentencepiece, read_model, sentencepiece_config
from lect_tensorflow.variables import Variables
from lect_tensorflow.wordpiece import WordpieceSettings, build_wordpiece, wordpiece_config


class SentencepieceSettings(Config):
    """Model Garden's layer around `tensorflow_text.SentencepieceTokenizer`, and what stands around a text."""

    tokenizer: Literal["SentencepieceTokenizer"]
    lower_case: bool = False
    strip_diacritics: bool = False
    add_bos: bool = False
    add_eos: bool = False


def build_tokenizer(folder: Path, variables: Variables, shape: Shape) -> tuple[Any, Mapping[str, Any]]:
    """The tokenizer, and what ``tokenizer_config.json`` says of it.

    Raises:
        BackboneError: there is no vocabulary or more than one, it does not fit the model, or nothing says how the
            tokenizer treats capital letters.
    """
    found = vocabularies(folder)
    if len(found) != 1:
        raise BackboneError(
            f"it has several vocabularies ({', '.join(file.name for file in found)})"
            if found
            else "it has no vocabulary",
            where=str(folder),
            fix="leave the one that the model was trained with" if found else "put its vocab.txt or *.model there",
        )
    file = found[0]
    settings = _settings(folder, file, variables)
    try:
        if isinstance(settings, SentencepieceSettings):
            tokenizer, beside = _sentencepiece(file, settings, shape)
        else:
            vocabulary = _lines(file)
            tokenizer = build_wordpiece(vocabulary, settings)
            beside = wordpiece_config(vocabulary, settings, shape.positions)
    except BackboneError as error:
        raise BackboneError(error.what, where=error.where or str(file), fix=error.fix) from error
    if (size := tokenizer.get_vocab_size(with_added_tokens=True)) > shape.vocabulary:
        raise BackboneError(
            f"it has {size:,} tokens, and the model {shape.vocabulary:,} embeddings",
            where=str(file),
            fix="name the vocabulary that the model was trained with",
        )
    return tokenizer, beside


def _sentencepiece(file: Path, settings: SentencepieceSettings, shape: Shape) -> tuple[Any, Mapping[str, Any]]:
    model = read_model(file.read_bytes())
    if {"[CLS]", "[SEP]"} <= set(model.pieces):
        ends = ("[CLS]", "[SEP]")
    else:
        named = {name: model.pieces[index] for name, index in model.names.items()}
        ends = (named.get("bos", "") if settings.add_bos else "", named.get("eos", "") if settings.add_eos else "")
    tokenizer = build_sentencepiece(
        model, lower_case=settings.lower_case, strip_accents=settings.strip_diacritics, ends=ends
    )
    return tokenizer, sentencepiece_config(model, shape.positions)


def _settings(folder: Path, file: Path, variables: Variables) -> WordpieceSettings | SentencepieceSettings:
    stated = _json(folder / SETTINGS)
    of_pieces = file.suffix == ".model"
    try:
        if stated is not None:
            if of_pieces != (stated.get("tokenizer") == "SentencepieceTokenizer"):
                raise BackboneError(f"its tokenizer does not read {file.name}", where=str(folder / SETTINGS))
            kind = SentencepieceSettings if of_pieces else WordpieceSettings
            return kind.model_validate(stated)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise BackboneError(f"{field}: {first['msg'].lower()}", where=str(folder / SETTINGS)) from error
    if of_pieces:
        raise BackboneError(
            "nothing says how its tokenizer treats capital letters and accents",
            where=str(folder),
            fix=f'write {SETTINGS} there: {{"tokenizer": "SentencepieceTokenizer", "lower_case": …, '
            '"strip_diacritics": …}',
        )
    return WordpieceSettings(lower_case=_lower_case(folder, file, variables))


def _lower_case(folder: Path, file: Path, variables: Variables) -> bool:
    """By a variable of the SavedModel, a tokenizer's configuration, or the name of the vocabulary or the folder."""
    for name, variable in variables.by_name.items():
        if name.split("/")[0] == "do_lower_case":
            return bool(variable.read())
    said = (_json(folder / "tokenizer_config.json") or {}).get("do_lower_case")
    if isinstance(said, bool):
        return said
    for named in (file.name.lower(), folder.resolve().name.lower()):
        if "cased" in named:
            return "uncased" in named
    raise BackboneError(
        "nothing says whether its tokenizer folds capital letters",
        where=str(folder),
        fix=f'write {SETTINGS} there: {{"tokenizer": "BertTokenizer", "lower_case": true}}, or false',
    )


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BackboneError(f"it cannot be read ({error})", where=str(file)) from error
    # As TensorFlow reads it: a line ends at a line feed, and at nothing else.
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackboneError(f"it cannot be read ({error})", where=str(path)) from error
    if not isinstance(stated, dict):
        raise BackboneError("it holds no settings", where=str(path))
    return stated

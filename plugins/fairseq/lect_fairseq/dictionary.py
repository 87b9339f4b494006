"""fairseq's dictionary: its file, and the tokens that a task adds behind it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lect import BackboneError

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
"""What stands before the first line of every dictionary."""
BOS, PAD, EOS, UNK = range(4)
MASK = "<mask>"
_OVERWRITE = "#fairseq:overwrite"
_LANGUAGE = re.compile(
    r"\[(?P<mbart>[a-z]{2,3}_[A-Z]{2})\]|__(?P<nllb>[a-z]{3}_[A-Z][a-z]{3})__|(?P<m2m>__[a-z]{2,3}__)"
)
_STYLES = {"mbart": "[{}]", "multilingual": "__{}__"}
_SOURCES = ("<MINED_DATA>", "<MMT_BT_DATA>", "<SMT_BT_DATA>")


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a model in the order of their ids.

    Args:
        symbols: as fairseq writes them.
        languages: those that stand for languages, as `transformers` and people write them, by their ids.
    """

    symbols: tuple[str, ...]
    languages: Mapping[int, str]


def read_dictionary(file: Path) -> tuple[str, ...]:
    """The symbols of a dictionary, with the four special ones before them.

    Raises:
        BackboneError: a line is not a symbol and its count, or a symbol is there twice.
    """
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BackboneError("it cannot be read as UTF-8", where=str(file)) from error
    symbols = dict.fromkeys(SPECIAL)
    for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, start=1):
        # As fairseq does, a line ends in its count, whatever spaces stand in the symbol.
        symbol, _, count = line.rstrip().rpartition(" ")
        overwrites = count == _OVERWRITE
        if overwrites:
            symbol, _, count = symbol.rpartition(" ")
        if not re.fullmatch(r"[+-]?\d+", count):
            raise BackboneError("a line is a symbol and its count", where=f"{file}, line {number}")
        if symbol in symbols and not overwrites:
            raise BackboneError(f'the symbol "{symbol}" is there twice', where=f"{file}, line {number}")
        if symbol in symbols:
            # Its last place counts; the symbol before it keeps its id under a name that no text has.
            symbols = {(f" {name}" if name == symbol else name): None for name in symbols}
        symbols[symbol] = None
    return tuple(symbols)


def vocabulary_of(
    symbols: Sequence[str], rows: int, settings: Mapping[str, Any], languages: Path | None, file: Path
) -> Vocabulary:
    """The dictionary with what the task added to it, as many tokens as the model has embeddings.

    Args:
        rows: the number of embeddings.
        languages: the file that lists languages, if there is one.
        file: the dictionary, for messages.

    Raises:
        BackboneError: they do not come to that number.
    """
    if len(symbols) > rows:
        _refuse_size(len(symbols), rows, file)
    added: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    if len(symbols) < rows:
        codes = _language_codes(settings, languages)
        style = str(settings.get("lang_tok_style") or "") or _style_of(settings)
        tokens = tuple(_STYLES.get(style, style).format(code) for code in codes)
        sources = _SOURCES if settings.get("add_data_source_prefix_tags") else ()
        known = set(symbols)
        for added in ((*tokens, *sources), (*tokens, MASK, *sources), (MASK,)):
            added = tuple(token for token in dict.fromkeys(added) if token not in known)
            if len(symbols) + len(added) == rows:
                break
        else:
            _refuse_size(len(symbols), rows, file, len(codes))
    whole = (*symbols, *added)
    found = [index for index, symbol in enumerate(whole) if symbol in tokens or _LANGUAGE.fullmatch(symbol)]
    return Vocabulary(whole, {index: _shown(whole[index]) for index in found})


def _shown(symbol: str) -> str:
    """A language's token as `transformers` and people write it; one of another form stays: "id" is in many a word."""
    matched = _LANGUAGE.fullmatch(symbol)
    return str(matched[matched.lastgroup or 0]) if matched else symbol


def _language_codes(settings: Mapping[str, Any], file: Path | None) -> list[str]:
    """The languages in the order of their tokens, as the task gets them."""
    if file is not None:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    stated = settings.get("langs")
    if stated:
        return _listed(stated)
    return sorted({code for pair in _listed(settings.get("lang_pairs") or ()) for code in pair.split("-")})


def _style_of(settings: Mapping[str, Any]) -> str:
    """Of tasks that have no setting for it: those of mBART write languages in brackets."""
    task = str(settings.get("task") or settings.get("_name") or "")
    return "multilingual" if task.startswith("translation_multi") else "mbart"


def _listed(value: Any) -> list[str]:
    return value.split(",") if isinstance(value, str) else [str(each) for each in value]


def _refuse_size(known: int, rows: int, file: Path, languages: int = 0) -> None:
    beside = f", its task adds {languages:,} languages" if languages else ""
    raise BackboneError(
        f"it has {known:,} tokens with the four special ones{beside}, and the model {rows:,} embeddings",
        where=str(file),
        fix="put the dictionary there that the model was trained with",
    )

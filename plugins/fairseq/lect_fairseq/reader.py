"""The reader of data that ``fairseq-preprocess`` has prepared, back into texts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lect import BackboneError, Config, DataError, Example, ReaderSpec
from lect.data.files import NO_WORD, Count, LanguageTag, files_of, say
from lect_fairseq.dictionary import BOS, EOS, PAD, UNK, read_dictionary

Subwords = Literal["sentencepiece", "subword-nmt", "gpt2", "none"]
_LANGUAGE = re.compile(r".*\.[^.]+-[^.]+\.(?P<language>[^.]+)")


class PreparedConfig(Config):
    """Which prepared data to read.

    Args:
        path: the index, such as ``train.id-en.id.idx`` or ``train.idx``; its ``.bin`` lies beside it.
        translation: the index of the same rows in the other language, such as ``train.id-en.en.idx``.
        dictionary: of both; by default ``dict.LANGUAGE.txt`` or ``dict.txt`` beside each.
        subwords: what cut texts into tokens: ``sentencepiece``, ``subword-nmt``, ``gpt2`` (whose ``encoder.json`` lies
            beside the dictionary) or ``none``, where tokens are words; by default what the dictionary looks like.
        language: the language of the text, a BCP 47 tag.
        limit: read no more than this many rows.
    """

    path: Annotated[str, Field(min_length=1)]
    translation: Annotated[str, Field(min_length=1)] | None = None
    dictionary: Annotated[str, Field(min_length=1)] | None = None
    subwords: Subwords | None = None
    language: LanguageTag | None = None
    limit: Count | None = None


def read_prepared(config: PreparedConfig, folder: Path) -> Iterator[Example]:
    """The rows as texts, with their translations where these are named; empty rows are passed over.

    Raises:
        DataError: a file is missing or damaged, the sides differ in their rows, or a token is not in the dictionary.
    """
    text = _Side(config.path, config, folder)
    other = _Side(config.translation, config, folder) if config.translation is not None else None
    if other is not None and len(text.rows) != len(other.rows):
        raise DataError(
            f"it has {len(other.rows):,} rows, and {config.path} {len(text.rows):,}", where=config.translation
        )
    pairs = zip(text.texts(), other.texts() if other is not None else (None for _ in text.rows), strict=True)
    found = (
        Example(own, translation=translation, language=config.language, origin=f"{config.path}, row {number}")
        for number, (own, translation) in enumerate(pairs, start=1)
        if own and translation != ""
    )
    yield from islice(found, config.limit)
    unknown = text.unknown + (other.unknown if other is not None else 0)
    if unknown:
        say(f"{config.path}: {unknown:,} tokens are unknown, and read as {NO_WORD}")


PREPARED = ReaderSpec(
    name="fairseq",
    summary="data that fairseq-preprocess has prepared: .idx and .bin with dict.txt",
    config=PreparedConfig,
    read=read_prepared,
    endings=(".idx",),
)


class _Side:
    """The rows of one language.

    Attributes:
        unknown: how many unknown tokens were met.
    """

    def __init__(self, name: str, config: PreparedConfig, folder: Path) -> None:
        # Plugins are listed without NumPy.
        from lect_fairseq.indexed import open_rows

        ((self._path, self._where),) = files_of(name, folder)
        self.rows = open_rows(self._path, self._where)
        dictionary = self._dictionary(config, folder)
        try:
            self._symbols = read_dictionary(dictionary)
        except BackboneError as error:
            raise error.at(DataError) from None
        self._join = _joining(config.subwords or _guess(self._symbols, dictionary), self._symbols, dictionary)
        self.unknown = 0

    def texts(self) -> Iterator[str]:
        """Each row's text. Raises `DataError`."""
        for number, ids in enumerate(self.rows, start=1):
            kept = [index for index in ids if index not in (BOS, PAD, EOS)]
            if kept and (highest := max(kept)) >= len(self._symbols):
                raise DataError(
                    f"it has the token {highest:,}, and its dictionary {len(self._symbols):,} tokens",
                    where=f"{self._where}, row {number}",
                    fix="name the dictionary that it was prepared with",
                )
            self.unknown += kept.count(UNK)
            yield self._join([NO_WORD if index == UNK else self._symbols[index] for index in kept])

    def _dictionary(self, config: PreparedConfig, folder: Path) -> Path:
        if config.dictionary is not None:
            return files_of(config.dictionary, folder)[0][0]
        matched = _LANGUAGE.fullmatch(self._path.stem)
        names = [f"dict.{matched['language']}.txt"] if matched else []
        for place in (self._path.parent, self._path.parent.parent):
            for name in (*names, "dict.txt"):
                if (place / name).is_file():
                    return place / name
        wanted = " or ".join((*names, "dict.txt"))
        raise DataError(
            f"there is no {wanted} beside it", where=self._where, fix="put it there, or name it: dictionary"
        )


def _guess(symbols: Sequence[str], dictionary: Path) -> Subwords:
    if any(symbol.startswith("▁") for symbol in symbols):
        return "sentencepiece"
    if any(symbol.endswith("@@") for symbol in symbols):
        return "subword-nmt"
    return "gpt2" if dictionary.with_name("encoder.json").is_file() else "none"


def _joining(subwords: Subwords, symbols: Sequence[str], dictionary: Path) -> Callable[[Sequence[str]], str]:
    """What makes a text of tokens."""
    if subwords == "sentencepiece":
        return lambda tokens: "".join(tokens).replace("▁", " ").strip()
    if subwords == "subword-nmt":
        return lambda tokens: re.sub(r"@@( |\Z)", "", " ".join(tokens))
    if subwords == "none":
        return " ".join
    from tokenizers import decoders

    encoder = dictionary.with_name("encoder.json")
    try:
        texts = {str(number): text for text, number in json.loads(encoder.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(
            "GPT-2's table of tokens cannot be read", where=str(encoder), fix="put encoder.json there"
        ) from error
    decoder = decoders.ByteLevel()
    return lambda tokens: str(decoder.decode([texts.get(token, token) for token in tokens])).strip()

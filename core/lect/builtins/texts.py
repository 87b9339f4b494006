"""Readers of raw text, and of two texts that are aligned line by line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from lect.data.examples import Example
from lect.data.files import Count, Encoding, LanguageTag, left_out
from lect.data.lines import LONGEST_LINE, InvalidBytes, TooLong, read_lines
from lect.data.paths import COMPRESSED, existing_file, find_files
from lect.errors import DataError
from lect.fields import Config
from lect.specs import ReaderSpec


class LinesConfig(Config):
    """What every reader of lines takes.

    Args:
        language: the language of every row's text, a BCP 47 tag; kept in its canonical form.
        keys: a name for this set of lines, where line 7 of it says the same in every language: its key is ``NAME:7``.
            Rows of one key never fall into two splits, and the guard knows them in another language.
        limit: read no more than this many rows.
        longest_line: the most bytes of a line.
        too_long: what becomes of a longer line: an error, or it is cut there (and cleaning can count and drop it).
        invalid_utf8: what becomes of bytes that are not UTF-8: an error, or U+FFFD (and cleaning counts it).
        encoding: what the files were saved in, such as ``cp1252``.
        keep_empty: give a row for a line without a text, too, so that answers keep to the lines.
    """

    language: LanguageTag | None = None
    keys: Annotated[str, Field(min_length=1)] | None = None
    limit: Count | None = None
    longest_line: Annotated[int, Field(ge=4)] = LONGEST_LINE
    too_long: TooLong = "refuse"
    invalid_utf8: InvalidBytes = "refuse"
    encoding: Encoding = "utf-8"
    keep_empty: bool = False

    def lines(self, path: Path, where: str) -> Iterator[tuple[int, str]]:
        """The lines of a file, without ends and without spaces around them."""
        for line, text in read_lines(path, where, self.longest_line, self.too_long, self.invalid_utf8, self.encoding):
            yield line, text.strip()

    def key(self, line: int) -> str | None:
        """The key of a line."""
        return None if self.keys is None else f"{self.keys}:{line}"


class TextConfig(LinesConfig):
    """Which text to read, one sentence or paragraph a line.

    Args:
        path: a file, a folder (all ``.txt`` and ``.text`` files in it and below), a pattern such as ``*.txt.gz``, ``-``
            for standard input, or several of them; relative to the recipe's folder. Files may be compressed by gzip or
            zstd.
    """

    path: str | Annotated[list[str], Field(min_length=1)]

    @field_validator("path")
    @classmethod
    def _one_set(cls, path: str | list[str], info: ValidationInfo) -> str | list[str]:
        if info.data.get("keys") and isinstance(path, list):
            raise ValueError("should be one file where keys is set, as its lines are numbered")
        return path


class ParallelConfig(LinesConfig):
    """Which two texts to read, where line 7 of one is the translation of line 7 of the other.

    Args:
        text: the file of the text; with `path`, what follows the dot there: ``nqo`` for ``corpus.nqo``.
        translation: the file of its translation, or what follows the dot there.
        path: what both files' names begin with, as in Moses: ``corpus`` for ``corpus.nqo`` and ``corpus.en``.
        skip_empty: leave out pairs of which one line is empty instead of refusing them.
    """

    text: Annotated[str, Field(min_length=1)]
    translation: Annotated[str, Field(min_length=1)]
    path: Annotated[str, Field(min_length=1)] | None = None
    skip_empty: bool = False


def read_text(config: TextConfig, folder: Path) -> Iterator[Example]:
    """The lines of text files; empty ones are none unless they are kept. Raises `DataError`."""
    files = find_files(config.path, folder, (".txt", ".text"))
    if config.keys is not None and len(files) > 1:
        raise DataError(f"{len(files)} files, and keys numbers the lines of one", where=str(config.path))
    return islice(_texts(config, files), config.limit)


def read_parallel(config: ParallelConfig, folder: Path) -> Iterator[Example]:
    """The pairs of two line-aligned files; of two empty lines only where they are kept. Raises `DataError`."""
    files = [_named(config, side, folder) for side in (config.text, config.translation)]
    return islice(_pairs(config, files), config.limit)


def _texts(config: TextConfig, files: list[tuple[Path, str]]) -> Iterator[Example]:
    for path, where in files:
        empty = True
        for line, text in config.lines(path, where):
            if text or config.keep_empty:
                empty = False
                yield Example(text, language=config.language, key=config.key(line), origin=f"{where}, line {line}")
        if empty:
            raise DataError("the file has no text", where=where)


def _pairs(config: ParallelConfig, files: list[tuple[Path, str]]) -> Iterator[Example]:
    (path, where), (other_path, other) = files
    line, left = 0, 0
    ours, theirs = config.lines(path, where), config.lines(other_path, other)
    for first, second in zip_longest(ours, theirs):
        if first is None or second is None:
            # One of both has ended, so the rest is the other's.
            count = line + 1 + sum(1 for _ in (theirs if first is None else ours))
            lines, others = (line, count) if first is None else (count, line)
            raise DataError(
                f"{lines} lines, and {other} has {others}: they are not aligned",
                where=where,
                fix="export both anew from one source, a pair a line",
            )
        (line, text), (_, translation) = first, second
        if not (text or translation or config.keep_empty):
            continue
        if (not text or not translation) and (text or translation):
            if config.skip_empty:
                left += 1
                continue
            raise DataError(
                "the line is empty, and its other half is not",
                where=f"{where if not text else other}, line {line}",
                fix="fill it in or set skip_empty = true",
            )
        yield Example(
            text,
            translation=translation,
            language=config.language,
            key=config.key(line),
            origin=f"{where}, line {line}",
        )
    if not line:
        raise DataError("the file is empty", where=where)
    left_out(where, left, "with one side empty")


def _named(config: ParallelConfig, side: str, folder: Path) -> tuple[Path, str]:
    name = side if config.path is None else f"{config.path}.{side}"
    path = folder / Path(name).expanduser()
    if config.path is not None:
        # `corpus.en` may lie there as `corpus.en.gz`.
        for more in COMPRESSED:
            if path.with_name(path.name + more).is_file():
                return path.with_name(path.name + more), name + more
    return existing_file(path, name), name


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="text",
        summary="raw text, a sentence or paragraph a line, also compressed",
        config=TextConfig,
        read=read_text,
        endings=(".txt",),
    ),
    ReaderSpec(
        name="parallel",
        summary="two files aligned line by line, as Moses has them",
        config=ParallelConfig,
        read=read_parallel,
    ),
)

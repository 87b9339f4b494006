"""The reader of bilingual dictionaries: a word or phrase and one of its translations a line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lect.data.examples import Example
from lect.data.files import Count, Encoding, LanguageTag, left_out
from lect.data.lines import read_lines, without_end
from lect.data.paths import COMPRESSED, existing_file
from lect.data.tables import table_rows
from lect.errors import DataError
from lect.fields import Config
from lect.specs import ReaderSpec


class DictionaryConfig(Config):
    """Which dictionary to read, and which side of it is the text.

    Args:
        path: the file, plain or compressed by gzip or zstd; relative to the recipe's folder.
        layout: ``pairs``: both sides on a line without a header, a tab between them, or a space where both are single
            words (MUSE). ``csv`` and ``tsv``: a table with a header (the NusaX lexicon has ``,indonesian,acehnese``).
            None: a table where the file's name ends in ``.csv``, else pairs.
        text: the column of the text in a table; None for the first that has a name.
        translation: the column of the translation; None for the second that has a name.
        reverse: take the translation for the text and the text for the translation.
        language: the language of every text, after reversing, a BCP 47 tag.
        limit: read no more than this many rows.
        skip_empty: leave out rows with an empty side instead of refusing them.
        encoding: what the file was saved in, such as ``cp1252``.
    """

    path: Annotated[str, Field(min_length=1)]
    layout: Literal["pairs", "csv", "tsv"] | None = None
    text: str | None = None
    translation: str | None = None
    reverse: bool = False
    language: LanguageTag | None = None
    limit: Count | None = None
    skip_empty: bool = False
    encoding: Encoding = "utf-8"


def read_dictionary(config: DictionaryConfig, folder: Path) -> Iterator[Example]:
    """The entries, each translation a row of its own, in the file's order; nothing is left out. Raises `DataError`."""
    path = existing_file(folder / Path(config.path).expanduser(), config.path)
    return islice(_entries(config, path), config.limit)


def _entries(config: DictionaryConfig, path: Path) -> Iterator[Example]:
    is_csv = config.path.lower().endswith(tuple(f".csv{more}" for more in COMPRESSED))
    layout = config.layout or ("csv" if is_csv else "pairs")
    rows = _pairs(config, path) if layout == "pairs" else _table(config, path, layout)
    none, left = True, 0
    for text, translation, where in rows:
        if not text or not translation:
            if config.skip_empty:
                left += 1
                continue
            raise DataError("one side is empty", where=where, fix="fill it in or set skip_empty = true")
        none = False
        if config.reverse:
            text, translation = translation, text
        yield Example(text, translation=translation, language=config.language, origin=where)
    if none:
        raise DataError("the dictionary has no entries", where=config.path)
    left_out(config.path, left, "with one side empty")


def _pairs(config: DictionaryConfig, path: Path) -> Iterator[tuple[str, str, str]]:
    named = config.path
    for line, written in read_lines(path, named, encoding=config.encoding):
        if not written.strip():
            continue
        where = f"{named}, line {line}"
        bare = without_end(written)
        # Other spaces than this one are part of a word: one that does not break, above all.
        sides = bare.split("\t") if "\t" in bare else [side for side in bare.split(" ") if side]
        if len(sides) != 2:
            between = "tabs" if "\t" in written else "spaces, and no tab"
            raise DataError(
                f"{len(sides)} field{'s' if len(sides) > 1 else ''} between {between}, not a word and its translation",
                where=where,
                fix="put one tab between the two sides, or set layout to csv or tsv for a table with a header",
            )
        yield sides[0].strip(), sides[1].strip(), where


def _table(config: DictionaryConfig, path: Path, layout: str) -> Iterator[tuple[str, str, str]]:
    delimiter = None if layout == "csv" else "\t"
    wanted = [column for column in (config.text, config.translation) if column is not None]
    rows = table_rows(path, config.path, delimiter, quoting=layout == "csv", wanted=wanted, encoding=config.encoding)
    for row in rows:
        named = [column for column in row.values if column.strip()]
        first = config.text if config.text is not None else next(iter(named), "")
        second = config.translation
        if second is None:
            others = [column for column in named if column != first]
            if len(others) != 1:
                raise DataError(
                    f"{len(named)} columns with a name ({', '.join(named)}), not two",
                    where=row.named,
                    fix='name two of them with text = "…" and translation = "…"',
                )
            (second,) = others
        yield row.value(first, "text").strip(), row.value(second, "translation").strip(), row.where


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="dictionary",
        summary="a bilingual dictionary: MUSE pairs, or a table of two languages",
        config=DictionaryConfig,
        read=read_dictionary,
    ),
)

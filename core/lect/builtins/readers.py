"""Readers of tables (CSV, TSV) and of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from lect.builtins.word_columns import words_of
from lect.data.examples import Example
from lect.data.files import Count, Encoding, LanguageTag, Paths, left_out
from lect.data.paths import each_file
from lect.data.tables import Row, json_rows, table_rows
from lect.errors import DataError, nearest
from lect.fields import Config
from lect.languages.tags import normalise
from lect.specs import ReaderSpec

_TEXTS = ("text", "text_pair", "translation")


class RowsConfig(Config):
    """Which files to read, and which of their columns is what.

    Args:
        path: a file, a folder (all files in it and below whose endings fit), a pattern such as ``*.csv.gz``, ``-`` for
            standard input, or several of them, read one after the other; relative to the recipe's folder.
        text: the column of the text. Every column is named as the file's header or JSON object names it; one inside
            another is written ``data.text``.
        title: the column of a title, which is put before the text, as BEIR does; a row may have a title alone.
        label: the column of the label; white space at its ends is no part of it.
        text_pair: the column of the second text.
        translation: the column of the translation.
        words: the column of a list of words, such as ``tokens``; the text is then made of them.
        tags: the column of a list of tags, one a word, such as ``ner_tags``.
        key: the column of what the row is about; rows of one key never fall into two splits.
        language: the language of every row's text, a BCP 47 tag; kept in its canonical form.
        language_column: the column of each row's own language; where it is empty, `language` holds.
        stack: the column of each row's own stack, for `lect predict` and `lect embed`.
        labels: the labels there may be; any other is an error. None allows all. Of tags that are numbers their names,
            in the order of the numbers.
        limit: read no more than this many rows.
        skip_empty: leave out rows with an empty text instead of refusing them.
        keep_empty: give rows with an empty text as they are, so that there is an answer for each row.
        keep: keep the columns that are not named here beside the row, for `lect data clean` to write.
    """

    path: Paths
    text: str = "text"
    title: str | None = None
    label: str | None = None
    text_pair: str | None = None
    translation: str | None = None
    words: str | None = None
    tags: str | None = None
    key: str | None = None
    language: LanguageTag | None = None
    language_column: str | None = None
    stack: str | None = None
    labels: Annotated[list[str], Field(min_length=1)] | None = None
    limit: Count | None = None
    skip_empty: bool = False
    keep_empty: bool = False
    keep: bool = False

    @model_validator(mode="after")
    def _empty_rows(self) -> RowsConfig:
        if self.skip_empty and self.keep_empty:
            raise ValueError("skip_empty and keep_empty are both set: take one of them out")
        return self

    @model_validator(mode="after")
    def _tags_of_words(self) -> RowsConfig:
        if self.tags is not None and self.words is None:
            raise ValueError('tags are of words: name their column, too, such as words = "tokens"')
        return self

    def columns(self) -> dict[str, str]:
        """The columns of texts to read, by the field of `Example` they fill."""
        fields = ("label", "text_pair", "translation", "key", "stack")
        named = {field: getattr(self, field) for field in (*(() if self.words else ("text",)), *fields)}
        return {field: column for field, column in named.items() if column is not None}

    def wanted(self) -> list[str]:
        """Every column to read."""
        more = (self.title, self.words, self.tags, self.language_column)
        return [*self.columns().values(), *(column for column in more if column is not None)]


class FileRowsConfig(RowsConfig):
    """As `RowsConfig`, of files of text.

    Args:
        encoding: what the files were saved in, such as ``cp1252``.
    """

    encoding: Encoding = "utf-8"


class CsvConfig(FileRowsConfig):
    """As `FileRowsConfig`, and what stands between two fields.

    Args:
        delimiter: one character. By default the one of comma, semicolon, tab and bar that makes the columns of the
            header that are asked for.
    """

    delimiter: Annotated[str, Field(min_length=1, max_length=1, pattern=r'^[^"\r\n]$')] | None = None


def read_csv(config: CsvConfig, folder: Path) -> Iterator[Example]:
    """The rows of CSV files (RFC 4180: quoted fields may hold delimiters and line ends). Raises `DataError`."""

    def rows(path: Path, where: str) -> Iterator[Row]:
        wanted = config.wanted()
        return table_rows(path, where, config.delimiter, quoting=True, wanted=wanted, encoding=config.encoding)

    return _examples(config, folder, rows, (".csv",))


def read_tsv(config: FileRowsConfig, folder: Path) -> Iterator[Example]:
    """The rows of files with a tab between fields, in which quotation marks mean nothing. Raises `DataError`."""
    return _examples(
        config,
        folder,
        lambda path, where: table_rows(path, where, "\t", quoting=False, encoding=config.encoding),
        (".tsv",),
    )


def read_jsonl(config: FileRowsConfig, folder: Path) -> Iterator[Example]:
    """The rows of files with one JSON object a line, or one list of objects. Raises `DataError`."""
    return _examples(config, folder, lambda path, where: json_rows(path, where, config.encoding), (".jsonl", ".json"))


def _examples(
    config: RowsConfig, folder: Path, rows: Callable[[Path, str], Iterator[Row]], endings: Sequence[str]
) -> Iterator[Example]:
    return islice(examples_of(config, each_file(config.path, folder, endings), rows), config.limit)


def examples_of(
    config: RowsConfig, files: Iterable[tuple[Path, str]], rows: Callable[[Path, str], Iterator[Row]]
) -> Iterator[Example]:
    """The examples in the rows of files; how many are left out is said.

    Args:
        files: each with how messages call it.
        rows: the rows of one of them.

    Raises:
        DataError: a row is not as the configuration says, or a file has none.
    """
    columns = config.columns()
    allowed = None if config.labels is None else frozenset(config.labels)
    for path, where in files:
        empty, left = True, 0
        for row in rows(path, where):
            example = _example(row, columns, allowed, config)
            if example is None:
                left += 1
            else:
                empty = False
                yield example
        if empty:
            more = " with a text" if config.skip_empty else ""
            raise DataError(f"the file has no rows{more}", where=where)
        left_out(where, left, "without a text")


def _example(
    row: Row, columns: Mapping[str, str], allowed: frozenset[str] | None, config: RowsConfig
) -> Example | None:
    values: dict[str, Any] = {field: _value(row, field, column, config) for field, column in columns.items()}
    if config.words is not None:
        values |= words_of(row, config.words, config.tags, config.labels)
    if config.title is not None:
        title = _value(row, "title", config.title, config).strip()
        values["text"] = f"{title} {values['text'].strip()}".strip() if title else values["text"]
    for field in _TEXTS:
        if field in values and not values[field].strip() and not config.keep_empty:
            if config.skip_empty:
                return None
            column = columns.get(field, config.words)
            raise DataError(
                f'the column "{column}" is empty', where=row.where, fix="fill it in or set skip_empty = true"
            )
    label = values.get("label")
    if label is not None:
        label = values["label"] = label.strip()
        if not label:
            raise DataError(f'the column "{columns["label"]}" is empty', where=row.where, fix="give the row a label")
        if allowed is not None and label not in allowed:
            raise DataError(f'unknown label "{label}"', where=row.where, fix=nearest(label, allowed))
    # A row that is about nothing in particular shares its key with no other.
    values["key"] = values.get("key") or None
    values["stack"] = (values.get("stack") or "").strip() or None
    return Example(**values, language=_language(row, config), origin=row.where, more=_kept(row, config))


def _language(row: Row, config: RowsConfig) -> str | None:
    if config.language_column is None:
        return config.language
    if row.get(config.language_column, "language_column") is None:
        return config.language
    tag = row.value(config.language_column, "language_column").strip()
    try:
        return _canonical(tag) if tag else config.language
    except DataError as error:
        raise DataError(error.what, where=row.where, fix=error.fix) from None


@lru_cache(maxsize=1024)
def _canonical(tag: str) -> str:
    return normalise(tag)


def _kept(row: Row, config: RowsConfig) -> str | None:
    """The columns that no setting names, as a JSON object."""
    if not config.keep:
        return None
    named = {name for column in config.wanted() for name in (column, column.split(".")[0])}
    kept = {name: value for name, value in row.values.items() if name not in named}
    return json.dumps(kept, ensure_ascii=False, default=str) if kept else None


def _value(row: Row, field: str, column: str, config: RowsConfig) -> str:
    """What a column holds. Of a title and a text one may be absent; where empty rows are left out, null is empty."""
    of_document = config.title is not None and field in ("text", "title")
    may_be_empty = config.skip_empty or config.keep_empty
    if not row.has(column):
        other = config.text if field == "title" else config.title or ""
        if of_document and row.has(other):
            return ""
        if field == "text" and row.has("tokens"):
            fix = 'set words = "tokens", and tags to the column of their tags'
            raise DataError(f'no column "{column}", but one of words', where=row.named, fix=fix)
    elif (of_document or field == "stack" or (may_be_empty and field in _TEXTS)) and row.get(column, field) is None:
        return ""
    return row.value(column, config_field=field)


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="csv",
        summary="tables with a header: a comma or semicolon between fields",
        config=CsvConfig,
        read=read_csv,
        endings=(".csv",),
    ),
    ReaderSpec(
        name="tsv",
        summary="tab-separated tables with a header, without quoting",
        config=FileRowsConfig,
        read=read_tsv,
        endings=(".tsv",),
    ),
    ReaderSpec(
        name="jsonl",
        summary="one JSON object a line, or a list of them",
        config=FileRowsConfig,
        read=read_jsonl,
        endings=(".jsonl", ".json"),
    ),
)

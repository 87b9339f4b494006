"""Readers of tables (CSV, TSV) and of JSON lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from lect.builtins.tables import Row, json_rows, table_rows
from lect.data.examples import Example
from lect.data.paths import existing_file
from lect.errors import DataError, UserError, nearest
from lect.specs import Config, ReaderSpec


class RowsConfig(Config):
    """Which files to read, and which of their columns is what.

    Args:
        path: a file, or several read one after the other; relative to the recipe's folder.
        text: the column of the text. Every column is named as the file's header or JSON object names it.
        label: the column of the label.
        text_pair: the column of the second text.
        translation: the column of the translation.
        key: the column of what the row is about; rows of one key never fall into two splits.
        language: the language of every row's text, a BCP 47 tag; kept in its canonical form.
        labels: the labels there may be; any other is an error. None allows all.
        limit: read no more than this many rows.
        skip_empty: leave out rows with an empty text instead of refusing them.
    """

    path: str | Annotated[list[str], Field(min_length=1)]
    text: str = "text"
    label: str | None = None
    text_pair: str | None = None
    translation: str | None = None
    key: str | None = None
    language: str | None = None
    labels: Annotated[list[str], Field(min_length=1)] | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    skip_empty: bool = False

    @field_validator("language")
    @classmethod
    def _canonical(cls, tag: str | None) -> str | None:
        from lect.languages import normalise

        try:
            return None if tag is None else normalise(tag)
        except UserError as error:
            # pydantic collects ValueErrors and says which field they are of.
            raise ValueError(str(error)) from None

    def columns(self) -> dict[str, str]:
        """The columns to read, by the field of `Example` they fill."""
        named = {field: getattr(self, field) for field in ("text", "label", "text_pair", "translation", "key")}
        return {field: column for field, column in named.items() if column is not None}


class CsvConfig(RowsConfig):
    """As `RowsConfig`, and what stands between two fields.

    Args:
        delimiter: one character.
    """

    delimiter: Annotated[str, Field(min_length=1, max_length=1, pattern=r'^[^"\r\n]$')] = ","


def read_csv(config: CsvConfig, folder: Path) -> Iterator[Example]:
    """The rows of CSV files (RFC 4180: quoted fields may hold delimiters and line ends). Raises `DataError`."""
    return _examples(config, folder, lambda path, where: table_rows(path, where, config.delimiter, quoting=True))


def read_tsv(config: RowsConfig, folder: Path) -> Iterator[Example]:
    """The rows of files with a tab between fields, in which quotation marks mean nothing. Raises `DataError`."""
    return _examples(config, folder, lambda path, where: table_rows(path, where, "\t", quoting=False))


def read_jsonl(config: RowsConfig, folder: Path) -> Iterator[Example]:
    """The rows of files with one JSON object a line. Raises `DataError`."""
    return _examples(config, folder, json_rows)


def _examples(config: RowsConfig, folder: Path, rows: Callable[[Path, str], Iterator[Row]]) -> Iterator[Example]:
    paths = [config.path] if isinstance(config.path, str) else config.path
    files = [(existing_file(folder / path, path), path) for path in paths]
    return islice(examples_of(config, files, rows), config.limit)


def examples_of(
    config: RowsConfig, files: Iterable[tuple[Path, str]], rows: Callable[[Path, str], Iterator[Row]]
) -> Iterator[Example]:
    """The examples in the rows of files.

    Args:
        files: each with how messages call it.
        rows: the rows of one of them.

    Raises:
        DataError: a row is not as the configuration says, or a file has none.
    """
    columns = config.columns()
    allowed = None if config.labels is None else frozenset(config.labels)
    for path, where in files:
        empty = True
        for row in rows(path, where):
            example = _example(row, columns, allowed, config)
            if example is not None:
                empty = False
                yield example
        if empty:
            left = " with a text" if config.skip_empty else ""
            raise DataError(f"the file has no rows{left}", where=where)


def _example(
    row: Row, columns: Mapping[str, str], allowed: frozenset[str] | None, config: RowsConfig
) -> Example | None:
    values: dict[str, Any] = {field: row.value(column, config_field=field) for field, column in columns.items()}
    for field in ("text", "text_pair", "translation"):
        if field in values and not values[field].strip():
            if config.skip_empty:
                return None
            raise DataError(
                f'the column "{columns[field]}" is empty', where=row.where, fix="fill it in or set skip_empty = true"
            )
    label = values.get("label")
    if label is not None and not label.strip():
        raise DataError(f'the column "{columns["label"]}" is empty', where=row.where, fix="give the row a label")
    if allowed is not None and label is not None and label not in allowed:
        raise DataError(f'unknown label "{label}"', where=row.where, fix=nearest(label, allowed))
    # A row that is about nothing in particular shares its key with no other.
    values["key"] = values.get("key") or None
    return Example(**values, language=config.language, origin=row.where)


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(name="csv", summary="comma-separated tables with a header", config=CsvConfig, read=read_csv),
    ReaderSpec(
        name="tsv", summary="tab-separated tables with a header, without quoting", config=RowsConfig, read=read_tsv
    ),
    ReaderSpec(name="jsonl", summary="one JSON object a line", config=RowsConfig, read=read_jsonl),
)

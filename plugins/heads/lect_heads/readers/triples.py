"""Reader of texts with what matches them and what does not, in tables or JSON lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from lect import DataError, Example
from lect.data.files import FilesConfig, Row, json_rows, left_out, table_rows

_NEGATIVE = re.compile(r"negatives?[_-]?(\d*)")


class TriplesConfig(FilesConfig):
    """Which columns are what.

    Args:
        text: the column of the text: a question, say.
        text_pair: the column of what matches it.
        negatives: the columns of texts that do not match; a column of JSON lines may hold a list. By default those
            called ``negative``, ``negative_1`` and so on, where there are any.
        key: the column of what the row is about.
        skip_empty: leave out rows without a text or match instead of refusing them.
    """

    text: str = "anchor"
    text_pair: str = "positive"
    negatives: str | Annotated[list[str], Field(min_length=1)] | None = None
    key: str | None = None
    skip_empty: bool = False


def read_triples(config: TriplesConfig, folder: Path) -> Iterator[Example]:
    """The rows of such files, CSV, TSV or JSON lines by their ending. Raises `DataError` with the line."""
    count = 0
    for path, where in config.files(folder):
        left = 0
        for row in _rows_of(path, where, config):
            if config.limit is not None and count >= config.limit:
                return
            texts = [_text(row, getattr(config, field), field, config) for field in ("text", "text_pair")]
            if not all(texts):
                left += 1
                continue
            count += 1
            yield Example(
                texts[0],
                text_pair=texts[1],
                language=config.language,
                key=(row.value(config.key, "key") or None) if config.key else None,
                origin=row.where,
                negatives=_negatives(config, row),
            )
        left_out(where, left, "without a text or match")


def _rows_of(path: Path, where: str, config: TriplesConfig) -> Iterator[Row]:
    ending = Path(path.name.lower().removesuffix(".gz").removesuffix(".zst")).suffix
    if ending == ".csv":
        wanted = [config.text, config.text_pair]
        return table_rows(path, where, None, quoting=True, wanted=wanted, encoding=config.encoding)
    if ending == ".tsv":
        return table_rows(path, where, "\t", quoting=False, encoding=config.encoding)
    if ending in (".json", ".jsonl"):
        return json_rows(path, where, config.encoding)
    raise DataError(f'files ending in "{ending}" are not read', where=where, fix="use .csv, .tsv or .jsonl")


def _text(row: Row, column: str, field: str, config: TriplesConfig) -> str:
    if config.skip_empty and row.has(column) and row.get(column, field) is None:
        return ""
    text = row.value(column, field)
    if text.strip():
        return text
    if config.skip_empty:
        return ""
    raise DataError(f'the column "{column}" is empty', where=row.where, fix="fill it in or set skip_empty = true")


def _negatives(config: TriplesConfig, row: Row) -> tuple[str, ...] | None:
    """The texts that do not match: of a table with columns for several, those that are filled in."""
    if config.negatives is None:
        numbered = [(int(found[1] or 0), name) for name in row.values if (found := _NEGATIVE.fullmatch(name))]
        columns = [name for _, name in sorted(numbered)]
    else:
        columns = [config.negatives] if isinstance(config.negatives, str) else config.negatives
    found: list[str] = []
    for column in columns:
        value = row.values.get(column)
        if isinstance(value, list):
            if not all(isinstance(each, str) and each.strip() for each in value):
                raise DataError(f'"{column}" holds what is no text', where=row.where, fix="make it a list of strings")
            found += value
        elif (text := row.value(column, "negatives")).strip():
            found.append(text)
    return tuple(found) if columns else None

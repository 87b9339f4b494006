"""Rows as lines of a file: JSON lines with every field, a table of texts, or texts alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from lect.data.examples import OF_THE_FILE, Example
from lect.data.files import say
from lect.data.stored import hold
from lect.errors import DataError

_TABLE = ("text", "translation", "text_pair", "label", "key", "language")
"""The fields that a table has columns for."""


def record_of(example: Example) -> dict[str, Any]:
    """Every field that an example has, by its name, as the reader `examples` reads it."""
    return {name: value for name, value in asdict(example).items() if value is not None and name not in OF_THE_FILE}


def lines_of(rows: Iterable[Example], form: str, named: str) -> Iterator[str]:
    """The lines of a file with these rows.

    Args:
        form: ``.jsonl`` for every field and every column that was kept; ``.tsv`` for texts, label and key, and columns
            that were kept; ``.txt`` for the text alone: what else there is, is said.
        named: how messages call the file.

    Raises:
        DataError: a table cannot hold what the rows have.
    """
    if form == ".jsonl":
        for row in rows:
            yield json.dumps(_joined(row), ensure_ascii=False)
    elif form == ".tsv":
        yield from _table(rows, named)
    else:
        lost: dict[str, None] = {}
        for row in rows:
            lost |= dict.fromkeys(name for name in _joined(row) if name not in ("text", "language"))
            yield " ".join(row.text.split())
        if lost:
            say(f"{named} holds the texts alone, without {', '.join(lost)}; a .jsonl file holds all of it")


def _table(rows: Iterable[Example], named: str) -> Iterator[str]:
    held = hold(rows)
    columns: dict[str, None] = {}
    for row in held:
        record = record_of(row)
        many = [name for name in record if name not in _TABLE]
        if many:
            raise DataError(
                f"the row has {', '.join(many)}, which a table does not hold",
                where=row.origin or named,
                fix="name a file that ends in .jsonl",
            )
        columns |= dict.fromkeys(_joined(row))
    ordered = [name for name in _TABLE if name in columns] + [name for name in columns if name not in _TABLE]
    if not held:
        return
    yield "\t".join(ordered)
    for row in held:
        values = _joined(row)
        yield "\t".join(_cell(values.get(name)) for name in ordered)


def _joined(row: Example) -> dict[str, Any]:
    """The row's fields, and beside them the columns that were kept; one of a field's name is called by both."""
    record = record_of(row)
    kept: dict[str, Any] = {} if row.more is None else json.loads(row.more)
    return {**record, **{f"column {name}" if name in record else name: value for name, value in kept.items()}}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return " ".join((value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).split())

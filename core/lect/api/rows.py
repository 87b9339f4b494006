"""Rows as people have them in Python, as examples: texts, pairs, tables, data sets, iterators."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import fields, replace
from typing import Any, Protocol, TypeAlias

from lect.data.examples import Example, Span
from lect.errors import DataError, nearest


class Frame(Protocol):
    """A table: a frame of pandas or polars, a `pyarrow.Table`."""

    @property
    def columns(self) -> Any:
        """The columns or their names."""

    def __len__(self) -> int: ...


class NamedColumns(Protocol):
    """A table: a `datasets.Dataset`."""

    @property
    def column_names(self) -> Any:
        """The columns' names."""

    def __len__(self) -> int: ...


Single: TypeAlias = "str | Mapping[str, Any] | Example"
"""One row that is no sequence of others."""
Row: TypeAlias = "Single | Sequence[str]"
"""A text, a pair of texts, a mapping by field, or a `lect.Example`."""
Table: TypeAlias = "Collection[Row] | Frame | NamedColumns"
"""Rows whose number is known."""
Rows: TypeAlias = "Single | Table | Iterable[Row]"
"""Rows in any iterable, or a table: a frame of pandas or polars, a `datasets.Dataset`, a `pyarrow.Table`."""

_FIELDS = tuple(field.name for field in fields(Example))
_SEQUENCES = ("labels", "words", "tags", "heads", "relations", "choices", "negatives")


def examples_of(rows: Rows, columns: Mapping[str, str] | None = None) -> Iterator[Example]:
    """The rows as examples, one at a time: an iterator is read no further than is asked for.

    Args:
        columns: by field of `lect.Example`, the column or key that holds it, where it is called otherwise.

    Raises:
        DataError: a row is none, with its number.
    """
    names = dict(columns or {})
    for field in names:
        if field not in _FIELDS:
            raise DataError(f'a row has no field "{field}"', fix=nearest(field, _FIELDS))
    for number, row in enumerate(_each(rows, names), 1):
        yield _example(row, names, f"row {number}")


def is_single(rows: object) -> bool:
    """Whether what was given is one row and not several."""
    return isinstance(rows, str | Mapping | Example)


def is_stream(rows: object) -> bool:
    """Whether rows are read from an iterator, whose end is not known."""
    return isinstance(rows, Iterable) and not isinstance(rows, Sized)


def _each(rows: Any, names: Mapping[str, str]) -> Iterable[Any]:
    if is_single(rows):
        return (rows,)
    if hasattr(rows, "iter_rows") and hasattr(rows, "columns"):  # polars
        _check_columns(names, list(rows.columns))
        given: Iterable[Any] = rows.iter_rows(named=True)
        return given
    if hasattr(rows, "itertuples"):  # pandas
        columns = [str(column) for column in rows.columns]
        _check_columns(names, columns)
        return (dict(zip(columns, row, strict=True)) for row in rows.itertuples(index=False, name=None))
    if hasattr(rows, "to_batches"):  # pyarrow
        _check_columns(names, list(rows.column_names))
        return (row for batch in rows.to_batches() for row in batch.to_pylist())
    if hasattr(rows, "column_names") and not isinstance(rows, list | tuple):  # datasets
        _check_columns(names, list(rows.column_names or ()))
    if not isinstance(rows, Iterable):
        raise DataError(f"rows are due, not {_kind(rows)}", fix='give a list of texts, say: ["a text", "another"]')
    return rows


def _check_columns(names: Mapping[str, str], columns: list[str]) -> None:
    for field, column in names.items():
        if column not in columns:
            raise DataError(f'there is no column "{column}" for {field}', fix=nearest(column, columns))
    if "text" not in names and "text" not in columns:
        raise DataError('there is no column "text"', fix=f'name it: text="…"; {nearest("text", columns)}')


def _example(row: Any, names: Mapping[str, str], where: str) -> Example:
    if isinstance(row, Example):
        return row if row.origin else replace(row, origin=where)
    if isinstance(row, tuple | list) and len(row) == 2 and all(isinstance(text, str) for text in row):
        return Example(_text(row[0], "text", where), text_pair=_text(row[1], "text_pair", where), origin=where)
    if isinstance(row, Mapping):
        own = {field: column for field in _FIELDS if (column := names.get(field, field)) in row and field != "origin"}
        if "text" not in own:
            known = ", ".join(map(str, row)) or "nothing"
            raise DataError(f"the row has no text ({known})", where=where, fix='name its field: text="…"')
        values = {field: _value(field, row[column], where) for field, column in own.items()}
        return Example(**values, origin=where)
    return Example(_text(row, "text", where), origin=where)


def _value(field: str, value: Any, where: str) -> Any:
    if field == "text":
        return _text(value, field, where)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if field in ("text_pair", "translation", "question"):
        return _text(value, field, where)
    if field in _SEQUENCES:
        return tuple(value)
    if field == "places":
        return tuple(map(tuple, value))
    if field == "answers":
        return tuple(_span(each) for each in value)
    if field == "value":
        return float(value)
    if field == "extra":
        return dict(value)
    return value if isinstance(value, str) else str(value)


def _span(value: Any) -> Span:
    if isinstance(value, Span):
        return value
    return Span(value["text"], value.get("start")) if isinstance(value, Mapping) else Span(str(value), None)


def _text(value: Any, field: str, where: str) -> str:
    if isinstance(value, str):
        if field == "text" and not value.strip():
            raise DataError("the text is empty", where=where, fix="leave the row out")
        return value
    raise DataError(f"the {field} is {_kind(value)}, and a text is due", where=where, fix="give a string")


def _kind(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "missing"
    shown = repr(value)
    return f"{shown if len(shown) <= 40 else f'{shown[:37]}...'} of type {type(value).__name__}"

"""Rows of tables and of JSON lines, streamed, with the line each one starts on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from lect.data.lines import read_lines, without_end
from lect.data.objects import json_objects, kind_of
from lect.errors import DataError, nearest

_ENDS = "save the file with line ends of one kind"
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class Row:
    """One row.

    Args:
        values: by column.
        where: where it stands.
        named: where its columns are named: the header of a table, the row itself in JSON.
    """

    values: Mapping[str, Any]
    where: str
    named: str

    def has(self, column: str) -> bool:
        """Whether there is such a column."""
        return column in self.values or self._inner(column) is not None

    def get(self, column: str, config_field: str) -> Any:
        """Whatever a column holds; one inside another is written ``data.text``. Raises `DataError` as `value`."""
        if column in self.values:
            return self.values[column]
        inner = self._inner(column)
        if inner is None:
            raise _missing_column(column, list(self.values), self.named, config_field)
        return inner[0]

    def _inner(self, column: str) -> tuple[Any] | None:
        """What stands in a column inside another, None where there is none."""
        found: Any = self.values
        for name in column.split("."):
            if not isinstance(found, Mapping) or name not in found:
                return None
            found = found[name]
        return (found,)

    def value(self, column: str, config_field: str) -> str:
        """The text in a column.

        Args:
            config_field: the field of the reader's configuration that names the column, for the message.

        Raises:
            DataError: there is no such column, or what it holds is no text.
        """
        value = self.get(column, config_field)
        if isinstance(value, str):
            return _characters(value, column, self.where)
        # Labels and keys are often numbers in JSON; a text that is one is a mistake.
        if isinstance(value, int) and not isinstance(value, bool) and config_field in {"label", "key"}:
            return str(value)
        raise DataError(f'"{column}" holds {kind_of(value)}, not a string', where=self.where, fix="make it a string")


def table_rows(
    path: Path,
    where: str,
    delimiter: str | None,
    *,
    quoting: bool,
    wanted: Sequence[str] = (),
    encoding: str = "utf-8",
) -> Iterator[Row]:
    """The rows below a table's header.

    A blank line is no row. A byte order mark is no part of the first column's name.

    Args:
        where: how messages call the file.
        delimiter: what stands between fields; None for the one that a first line ``sep=;`` names, as Excel writes it,
            or else for the first of comma, semicolon, tab and bar by which the header has the wanted columns.
        wanted: the columns that will be asked for.
        quoting: whether a field in quotation marks may hold delimiters and line ends, as RFC 4180 has it.

    Raises:
        DataError: with the line.
    """
    lines = read_lines(path, where, encoding=encoding)
    if delimiter is None:
        delimiter, lines = _found(lines, wanted)
    records = _records(lines, where, delimiter, quoting)
    first = next(records, None)
    if first is None:
        raise DataError("the file is empty", where=where)
    header, line = first
    twice = next((name for place, name in enumerate(header) if name and name in header[:place]), None)
    if twice is not None:
        raise DataError(f'two columns are named "{twice}"', where=f"{where}, line {line}", fix="rename one of them")
    named = f"{where}, line {line}"
    for fields, line in records:
        place = f"{where}, line {line}"
        if len(fields) != len(header):
            raise _wrong_count(fields, header, place, quoting)
        yield Row(dict(zip(header, fields, strict=True)), place, named)


def json_rows(path: Path, where: str, encoding: str = "utf-8") -> Iterator[Row]:
    """The objects of a file with one JSON object a line, or of one list. Raises `DataError` with the line."""
    for values, place in json_objects(path, where, encoding):
        yield Row(values, place, place)


def _found(lines: Iterator[tuple[int, str]], wanted: Sequence[str]) -> tuple[str, Iterator[tuple[int, str]]]:
    """The delimiter of a table, and its lines from the header on."""
    first = next(((line, text) for line, text in lines if without_end(text)), None)
    if first is None:
        return ",", lines
    header = without_end(first[1])
    if len(header) == 5 and header.lower().startswith("sep="):
        return header[4], lines
    columns = {mark: _split(header, mark) for mark in _DELIMITERS}
    by_name = (mark for mark, names in columns.items() if wanted and set(wanted) <= set(names))
    by_count = (mark for mark, names in columns.items() if not wanted and len(names) > 1)
    return next(by_name, next(by_count, ",")), chain([first], lines)


def _split(header: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=delimiter))
    except csv.Error:
        # What is wrong with it is said where it is read.
        return header.split(delimiter)


def _records(
    lines: Iterator[tuple[int, str]], where: str, delimiter: str, quoting: bool
) -> Iterator[tuple[list[str], int]]:
    """The fields of each record, with the line it starts on."""
    for line, text in lines:
        bare = without_end(text)
        if not bare:
            continue
        if not quoting or '"' not in bare:
            if "\r" in bare:
                raise DataError("a carriage return inside a field", where=f"{where}, line {line}", fix=_ENDS)
            yield bare.split(delimiter), line
            continue
        yield _quoted_fields(text, lines, delimiter, where, line), line


def _quoted_fields(text: str, lines: Iterator[tuple[int, str]], delimiter: str, where: str, first: int) -> list[str]:
    """The fields of the record that begins with this line; takes further lines while a quoted field is open."""
    fields: list[str] = []
    position, line = 0, first
    while True:
        if text[position : position + 1] != '"':
            end = text.find(delimiter, position)
            field = text[position:end] if end >= 0 else without_end(text[position:])
            if "\r" in field:
                raise DataError("a carriage return inside a field", where=f"{where}, line {line}", fix=_ENDS)
            fields.append(field)
            if end < 0:
                return fields
            position = end + 1
            continue
        opened, tokens, position = line, [], position + 1
        while True:
            end = text.find('"', position)
            if end < 0:
                tokens.append(text[position:])
                following = next(lines, None)
                if following is None:
                    raise DataError(
                        "the quotation mark that opens a field is never closed",
                        where=f"{where}, line {opened}",
                        fix='close it, and write a mark inside a field as ""',
                    )
                (line, text), position = following, 0
                continue
            tokens.append(text[position:end])
            position = end + 1
            if text[position : position + 1] != '"':
                break
            tokens.append('"')
            position += 1
        fields.append("".join(tokens))
        rest = text[position:]
        if not without_end(rest):
            return fields
        if not rest.startswith(delimiter):
            raise DataError(
                f"{_start(rest)!r} follows a closing quotation mark",
                where=f"{where}, line {line}",
                fix='write a mark inside a quoted field as ""',
            )
        position += 1


def _characters(text: str, column: str, where: str) -> str:
    """The text, if every code point in it is a character: JSON's escapes can write half of a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise DataError(f'"{column}" holds half of a surrogate pair', where=where, fix="repair the escape") from None
    if "\0" in text:
        raise DataError(f'"{column}" holds a NUL, which no text holds', where=where, fix="take it out")
    return text


def _missing_column(column: str, columns: Sequence[str], where: str, config_field: str) -> DataError:
    known = ", ".join(name or '""' for name in columns) or "none"
    clause = nearest(column, columns)
    fix = clause if clause.startswith("did you mean") else f"set {config_field} to one of them"
    if len(columns) == 1 and not clause.startswith("did you mean"):
        fix += ", or read a file without a header with the reader text"
    return DataError(f'no column "{column}" (columns: {known})', where=where, fix=_other_delimiter(columns) or fix)


def _other_delimiter(columns: Sequence[str]) -> str | None:
    """A clause that names what seems to stand between the columns, where the header was read as a single one."""
    mark = next((mark for mark in "\t;,|" if len(columns) == 1 and mark in columns[0]), None)
    return None if mark is None else f"is the delimiter {json.dumps(mark)}?"


def _wrong_count(fields: Sequence[str], header: Sequence[str], where: str, quoting: bool) -> DataError:
    many = "more" if len(fields) > len(header) else "fewer"
    if many == "fewer":
        fix = "add what is missing"
    else:
        fix = "put a field that holds the delimiter in quotation marks" if quoting else "take tabs out of the text"
    what = f"{len(fields)} field{'s' if len(fields) > 1 else ''}, {many} than the header's {len(header)}"
    return DataError(what, where=where, fix=_other_delimiter(header) or fix)


def _start(text: str) -> str:
    return without_end(text)[:20]

"""Tables of text as cells, whatever stands between them, and whether their first row is a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lect.authoring.columns import KEYS, LABELS, LANGUAGES, SECOND, TEXTS, TRANSLATIONS
from lect.errors import DataError

_MARKS = (",", ";", "\t", "|")
_FEWEST = 3
_NAMES = {*KEYS, *LABELS, *LANGUAGES, *SECOND, *TEXTS, *TRANSLATIONS}


@dataclass(frozen=True)
class Table:
    """The beginning of a table.

    Args:
        delimiter: what stands between cells.
        header: the columns' names; None where the first row is one like the others.
        rows: those below the header.
        is_quoted: whether cells stand in quotation marks that are no part of them.
        says_delimiter: whether a first line ``sep=;`` names it.
    """

    delimiter: str
    header: tuple[str, ...] | None
    rows: tuple[tuple[str, ...], ...]
    is_quoted: bool = False
    says_delimiter: bool = False

    @property
    def reader(self) -> str:
        """The reader that takes it apart the same way."""
        return "tsv" if self.delimiter == "\t" and not self.is_quoted else "csv"

    @property
    def config(self) -> dict[str, Any]:
        """What that reader has to be told."""
        is_said = self.delimiter == "," or self.says_delimiter or self.reader == "tsv"
        return {} if is_said else {"delimiter": self.delimiter}


def table_of(lines: Sequence[str], ending: str) -> Table | None:
    """The table that lines are; None where they are none."""
    rest = [line for line in lines if line.strip()]
    stated = re.fullmatch(r"(?i)sep=(.)", rest[0]) if rest else None
    rest = rest[1:] if stated else rest
    marks = (stated[1],) if stated else ("\t",) if ending == ".tsv" else _MARKS
    found = [table for mark in marks if (table := _cut(rest, mark, is_table=ending in (".csv", ".tsv")))]
    if not found and ending in (".csv", ".tsv") and rest:
        # A table by its name, and a faulty one: its reader says what is wrong, and where.
        header = max((tuple(rest[0].split(mark)) for mark in marks), key=len)
        mark = next(mark for mark in marks if len(rest[0].split(mark)) == len(header))
        rows = [row for row in (tuple(line.split(mark)) for line in rest[1:]) if len(row) == len(header)]
        return Table(mark, header, tuple(rows), says_delimiter=stated is not None) if len(header) > 1 else None
    if not found:
        return None
    best = max(found, key=lambda table: (table.header is not None, len(table.rows[0]) if table.rows else 0))
    return Table(best.delimiter, best.header, best.rows, best.is_quoted, stated is not None)


def workbook_of(path: Path, named: str) -> Table:
    """The first sheet of a workbook. Raises `DataError` where it cannot be read."""
    try:
        import openpyxl
    except ImportError:
        fix = 'install it: pip install "lect[excel]"'
        raise DataError("`openpyxl` is not installed", where=named, fix=fix) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        rows = [tuple("" if cell is None else str(cell) for cell in row) for row in book.worksheets[0].values]
        book.close()
    except Exception as error:
        # `openpyxl` raises whatever ZIP and XML raise, and kinds of its own.
        said = " ".join(str(error).split())[:200]
        raise DataError(f"the file is no workbook that can be read ({said})", where=named, fix="save it anew") from None
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise DataError("the first sheet has no rows below a header", where=named, fix="write the names of columns")
    return Table(",", rows[0], tuple(rows[1:]))


def _cut(lines: Sequence[str], mark: str, *, is_table: bool) -> Table | None:
    """The lines as a table with this delimiter; None where the number of cells differs from row to row."""
    for is_quoted in (False, True):
        if is_quoted and not any('"' in line for line in lines):
            continue
        rows = _rows(lines, mark) if is_quoted else [tuple(line.split(mark)) for line in lines]
        if len(rows) < (2 if is_table else _FEWEST) or len(rows[0]) < 2:
            continue
        alike = [row for row in rows if len(row) == len(rows[0])]
        # Of a sample the last row may be cut within a quoted cell.
        if len(alike) < len(rows) - (1 if is_quoted else 0) - (0 if not is_table else 0.02 * len(rows)):
            continue
        marked = not is_quoted and mark != "\t" and any('"' in cell for row in alike for cell in row)
        if marked and len(_rows(lines, mark)) != len(rows):
            continue
        header = alike[0] if _is_header(alike[0], alike[1:]) else None
        quoted = is_quoted or (mark == "\t" and _are_quoted(alike[1:]))
        if quoted and not is_quoted:
            continue
        return Table(mark, header, tuple(alike[1:] if header else alike), quoted)
    return None


def _rows(lines: Sequence[str], mark: str) -> list[tuple[str, ...]]:
    try:
        return [tuple(row) for row in csv.reader((f"{line}\n" for line in lines), delimiter=mark) if row]
    except csv.Error:
        return []


def _are_quoted(rows: Sequence[Sequence[str]]) -> bool:
    """Whether quotation marks stand round cells, and not in texts."""
    cells = [cell for row in rows for cell in row if '"' in cell]
    return bool(cells) and all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells)


def _is_header(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    named = [name.strip() for name in names if name.strip()]
    if not named or len(set(named)) < len(named) or any(len(name) > 60 for name in named):
        return False
    if any(re.fullmatch(r"-?\d+(?:[.,]\d+)?", name) for name in named):
        return False
    if {re.sub(r"[\s.-]+", "_", name.casefold()) for name in named} & _NAMES:
        return True
    # What stands below a name again is no name.
    repeated = any(name == row[place] for place, name in enumerate(names) if name for row in rows[:200])
    lengths = sorted(sum(map(len, row)) for row in rows[:200])
    shortest = lengths[len(lengths) // 10] if lengths else 0
    longer = sum(len(name) for name in names) <= 0.7 * max(1, shortest)
    words = max(len(name.split()) for name in named) <= 3
    return not repeated and words and (longer or len(named) > 2 or _is_language(named))


def _is_language(names: Sequence[str]) -> bool:
    from lect.authoring.languages import named_language

    return all(named_language(name) is not None for name in names)

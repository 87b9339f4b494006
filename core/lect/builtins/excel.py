"""The reader of Excel's workbooks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from lect.builtins.readers import RowsConfig, examples_of
from lect.data.examples import Example
from lect.data.paths import each_file
from lect.data.tables import Row
from lect.errors import DataError, nearest
from lect.specs import ReaderSpec


class ExcelConfig(RowsConfig):
    """As `RowsConfig`, of a sheet whose first row that is not empty names the columns.

    Args:
        sheet: the name of the sheet; the first by default.
    """

    sheet: str | None = None


def read_excel(config: ExcelConfig, folder: Path) -> Iterator[Example]:
    """The rows of ``.xlsx`` files. Raises `DataError`, also where `openpyxl` is not installed."""
    files = each_file(config.path, folder, (".xlsx",))
    return islice(examples_of(config, files, lambda path, where: _rows(config, path, where)), config.limit)


def _rows(config: ExcelConfig, path: Path, where: str) -> Iterator[Row]:
    try:
        import openpyxl
    except ImportError:
        raise DataError(
            "`openpyxl` is not installed", where=where, fix='install it: pip install "lect[excel]"'
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:
        # `openpyxl` raises whatever ZIP and XML raise, and kinds of its own.
        said = " ".join(str(error).split())[:200]
        fix = "save it as .xlsx, or as .csv"
        raise DataError(f"the file is no workbook that can be read ({said})", where=where, fix=fix) from None
    try:
        if config.sheet is not None and config.sheet not in book.sheetnames:
            raise DataError(f'no sheet "{config.sheet}"', where=where, fix=nearest(config.sheet, book.sheetnames))
        sheet = book[config.sheet] if config.sheet is not None else book.worksheets[0]
        yield from _below_header(sheet.iter_rows(values_only=True), f"{where}, sheet {sheet.title}")
    finally:
        book.close()


def _below_header(rows: Iterator[tuple[Any, ...]], where: str) -> Iterator[Row]:
    header: list[str] | None = None
    named = where
    for number, cells in enumerate(rows, start=1):
        if all(cell is None for cell in cells):
            continue
        place = f"{where}, row {number}"
        values = [_text(cell) for cell in cells]
        if header is None:
            header, named = values, place
            twice = next((name for at, name in enumerate(header) if name and name in header[:at]), None)
            if twice is not None:
                raise DataError(f'two columns are named "{twice}"', where=place, fix="rename one of them")
            continue
        # Beyond the last column that has a name there may be notes.
        values += [""] * (len(header) - len(values))
        yield Row({name: value for name, value in zip(header, values, strict=False) if name}, place, named)
    if header is None:
        raise DataError("the sheet is empty", where=where)


def _text(cell: Any) -> str:
    """What a cell says: a whole number without a point, a date as ISO 8601 has it."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="excel",
        summary="a sheet of an Excel workbook (.xlsx)",
        config=ExcelConfig,
        read=read_excel,
        endings=(".xlsx",),
    ),
)

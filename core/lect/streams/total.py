"""How many rows a source has, as far as that can be known without reading them."""

from __future__ import annotations

from pathlib import Path

from lect.data.dataset import Source
from lect.data.lines import open_bytes
from lect.data.paths import find_files
from lect.errors import UserError
from lect.streams.rows import is_live

_OF_LINES = {
    "text": (".txt", ".text"),
    "csv": (".csv",),
    "tsv": (".tsv",),
    "jsonl": (".jsonl",),
    "examples": (".jsonl",),
}
_CHUNK = 1 << 20


def expected_rows(source: Source) -> int | None:
    """The lines of its files, the rows of a Parquet file; None where neither says how many rows there are.

    A table has a line more than rows, and records may be of several lines: it is what remaining time is told by.
    """
    path = source.config.get("path")
    if path is None or is_live(source):
        return None
    limit = source.config.get("limit")
    try:
        if source.reader == "datasets":
            count = _parquet_rows(Path(path).expanduser())
        elif source.reader in _OF_LINES:
            count = sum(_lines(file, name) for file, name in find_files(path, Path(), _OF_LINES[source.reader]))
        else:
            return None
    except (UserError, OSError, EOFError, ValueError, TypeError):
        # Reading says what is wrong.
        return None
    return count if count is None or limit is None else min(count, limit)


def _parquet_rows(path: Path) -> int | None:
    from pyarrow import parquet

    files = [path] if path.suffix == ".parquet" else []
    return sum(parquet.ParquetFile(file).metadata.num_rows for file in files) if files else None


def _lines(path: Path, where: str) -> int:
    with open_bytes(path, where) as file:
        count = 0
        while chunk := file.read(_CHUNK):
            count += chunk.count(b"\n")
        return count

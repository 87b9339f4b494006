"""Files that readers' configurations name: one, several, a folder's, or those that fit a pattern."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from lect.errors import DataError, nearest

COMPRESSED = ("", ".gz", ".zst")
"""What may stand after a file's own ending."""
STANDARD_INPUT = "-"
"""How standard input is named; a file of that name is ``./-``."""


def name_in_messages(named: str) -> str:
    """How messages call a file that the user named."""
    return "standard input" if named == STANDARD_INPUT else named


def existing_file(path: Path, named: str) -> Path:
    """The path, if it is a file or a pipe; of standard input the path that `lect.data.lines` knows it by.

    Args:
        named: how the user wrote it.

    Raises:
        DataError: it is not; says what is near.
    """
    if named == STANDARD_INPUT:
        return Path(STANDARD_INPUT)
    if path.is_dir():
        raise DataError("this is a folder, not a file", where=named, fix="name a file in it")
    if path.is_file() or path.is_fifo() or path.is_char_device():
        return path
    if any(character in named for character in "\a\b\t\n\v\f\r\x1b"):
        # What is left of "C:\new\train.csv" where a backslash began an escape.
        fix = "where a backslash was meant, write the path in single quotes, or with / in its place"
        raise DataError("no such file: its name has a control character in it", where=named, fix=fix)
    beside = path.parent
    if not beside.is_dir():
        raise DataError(f"no such file, nor is there a folder {beside}", where=named, fix="correct the path")
    names = [entry.name for entry in beside.iterdir() if entry.is_file()]
    raise DataError(f"no such file in {beside.resolve()}", where=named, fix=_nearest_file(path.name, names))


def find_files(named: str | Sequence[str], folder: Path, endings: Sequence[str]) -> list[tuple[Path, str]]:
    """The files that are meant, each with how messages call it; none twice.

    Args:
        named: files, folders (all files in them and below, but hidden ones, with one of the endings), and patterns
            such as ``texts/*.txt.gz``; ``-`` is standard input.
        folder: relative paths are relative to it.

    Raises:
        DataError: there is no such file, or no file in a folder or of a pattern.
    """
    found: dict[Path, str] = {}
    for name in [named] if isinstance(named, str) else named:
        path = folder / Path(name).expanduser()
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file() and _is_seen(file, path, endings))
            if not files:
                raise DataError(
                    f"the folder has no file that ends in {', '.join(endings)}",
                    where=name,
                    fix=f'name its files by a pattern, such as "{name.rstrip("/")}/*"',
                )
        elif glob.has_magic(name) and not path.exists():
            files = sorted(Path(file) for file in glob.glob(str(path), recursive=True) if Path(file).is_file())  # noqa: PTH207
            if not files:
                raise DataError("no file fits this pattern", where=name, fix="correct it")
        else:
            files = [existing_file(path, name)]
        for file in files:
            # As the user would name it: below the folder that the name says.
            named_so = file == path or name == STANDARD_INPUT
            found.setdefault(file, name_in_messages(name) if named_so else _below(file, folder))
    return list(found.items())


def each_file(named: str | Sequence[str], folder: Path, endings: Sequence[str]) -> list[tuple[Path, str]]:
    """As `find_files`, but a file that is named twice is read twice. Raises `DataError`."""
    names = [named] if isinstance(named, str) else named
    return [found for name in names for found in find_files(name, folder, endings)]


def _is_seen(file: Path, folder: Path, endings: Sequence[str]) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and file.name.lower().endswith(tuple(ending + more for ending in endings for more in COMPRESSED))


def _below(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)


def _nearest_file(name: str, names: list[str]) -> str:
    # A folder may hold thousands of files, so only a near one is named.
    clause = nearest(name, names)
    return clause if clause.startswith("did you mean") else "correct the path"

"""Files of text that a reader's configuration names: which they are, and their lines and JSON objects.

Every reader, the host's own or a plugin's, reads its files through these, so that what holds of one holds of all.
Plugins find here the rest of what readers are made of, too: rows of tables and of JSON, words joined to texts, tags.
"""

from __future__ import annotations

import codecs
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from lect.data.examples import NO_WORD, join_words
from lect.data.label_forms import checked_tag
from lect.data.lines import first_bytes, open_bytes, read_bytes, read_lines, read_whole, without_end
from lect.data.objects import parse_json
from lect.data.paths import each_file, existing_file, name_in_messages
from lect.data.tables import Row, json_rows, table_rows
from lect.errors import DataError, UserError, one_line
from lect.fields import Config

__all__ = [
    "NO_WORD",
    "Count",
    "Encoding",
    "FilesConfig",
    "LanguageTag",
    "Paths",
    "Row",
    "checked_tag",
    "each_file",
    "existing_file",
    "files_of",
    "first_bytes",
    "join_words",
    "json_rows",
    "left_out",
    "name_in_messages",
    "open_bytes",
    "parse_json",
    "read_bytes",
    "read_lines",
    "say",
    "table_rows",
    "without_end",
]


def _canonical(tag: str) -> str:
    from lect.languages.tags import normalise

    try:
        return normalise(tag)
    except UserError as error:
        # pydantic collects ValueErrors and says which field they are of.
        raise ValueError(str(error)) from None


def _known_encoding(name: str) -> str:
    try:
        "a".encode(name)
    except LookupError:
        raise ValueError(f'"{name}" should be an encoding of text, such as utf-8, cp1252 or utf-16') from None
    return codecs.lookup(name).name


LanguageTag = Annotated[str, AfterValidator(_canonical)]
"""A BCP 47 tag, in its canonical form."""
Encoding = Annotated[str, AfterValidator(_known_encoding)]
"""The name of a text encoding, as Python's `codecs` calls it."""
Count = Annotated[int, Field(ge=1)]
Paths = str | Annotated[list[str], Field(min_length=1)]


class FilesConfig(Config):
    """Which files to read.

    Args:
        path: a file, or several read one after the other; relative to the recipe's folder. Files may be compressed by
            gzip or zstd.
        language: the language of every row, a BCP 47 tag; kept in its canonical form.
        limit: read no more than this many rows.
        encoding: what the files were saved in, such as ``cp1252``.
    """

    path: Paths
    language: LanguageTag | None = None
    limit: Count | None = None
    encoding: Encoding = "utf-8"

    def files(self, folder: Path) -> list[tuple[Path, str]]:
        """Each file, and how messages call it. Raises `DataError` where there is none."""
        return files_of(self.path, folder)

    def lines(self, path: Path, where: str) -> Iterator[tuple[int, str]]:
        """The lines of a file from 1 on, without their ends. Raises `DataError` with the line."""
        for number, line in read_lines(path, where, encoding=self.encoding):
            yield number, without_end(line)

    def whole(self, path: Path, where: str) -> str:
        """All of a file's text. Raises `DataError`."""
        return read_whole(path, where, self.encoding)

    def blocks(self, path: Path, where: str) -> Iterator[list[tuple[int, str]]]:
        """Lines between blank ones. Raises `DataError` where the file has none."""
        block: list[tuple[int, str]] = []
        empty = True
        for number, line in self.lines(path, where):
            if line.strip():
                block.append((number, line))
                empty = False
            elif block:
                yield block
                block = []
        if block:
            yield block
        if empty:
            raise DataError("the file is empty", where=where)


def files_of(named: str | list[str], folder: Path) -> list[tuple[Path, str]]:
    """Each file, and how messages call it. Raises `DataError` where there is none."""
    names = [named] if isinstance(named, str) else named
    return [(existing_file(folder / Path(name).expanduser(), name), name_in_messages(name)) for name in names]


def left_out(where: str, count: int, what: str) -> None:
    """Say on standard error how many rows a reader left out, where it did."""
    if count:
        say(f"{where}: {count:,} {'row' if count == 1 else 'rows'} {what} left out")


def say(message: str) -> None:
    """Say what a reader found and did about it: a warning of the logger ``lect``, one line, which commands print."""
    logging.getLogger("lect").warning("%s", one_line(message))

"""Mozilla's ``.lang`` files: a message behind a semicolon, and its translation in the next line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pydantic import Field

from lect import DataError, Example
from lect.data.files import FilesConfig, left_out

_DONE = "{ok}"
"""What a translation ends in that is the message itself, on purpose."""


class LangConfig(FilesConfig):
    """Which files to read, and which messages."""

    identical: bool = Field(False, description="whether messages that are translated by themselves are read, too")


def read_lang(config: LangConfig, folder: Path) -> Iterator[Example]:
    """Each translation as the text, with its message; its last comment is ``extra.comment``. Raises `DataError`."""
    return islice(_rows(config, folder), config.limit)


def _rows(config: LangConfig, folder: Path) -> Iterator[Example]:
    for path, where in config.files(folder):
        left, empty = 0, True
        comment, message = "", ""
        for number, line in config.lines(path, where):
            origin, line = f"{where}, line {number}", line.strip()
            if line.startswith("#"):
                comment = line.strip("# ")
            elif line.startswith(";"):
                message = line[1:].strip()
            elif line and not message:
                raise DataError("a translation of no message", where=origin, fix='write ";" and the message above it')
            elif line:
                empty = False
                text = line.removesuffix(_DONE).strip()
                if text == message and not (config.identical or line.endswith(_DONE)):
                    left += 1
                else:
                    extra = {"comment": comment} if comment else None
                    yield Example(text, translation=message, language=config.language, origin=origin, extra=extra)
                comment, message = "", ""
        if empty:
            raise DataError("the file has no translations", where=where, fix="name a .lang file of Mozilla")
        left_out(where, left, "translated by themselves")

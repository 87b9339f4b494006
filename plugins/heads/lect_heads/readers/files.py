"""Files of text: which to read, and their lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from lect import Config
from lect.errors import DataError, UserError, nearest


class FilesConfig(Config):
    """Which files to read.

    Args:
        path: a file, or several read one after the other; relative to the recipe's folder.
        language: the language of every row, a BCP 47 tag.
        limit: read no more than this many rows.
    """

    path: str | Annotated[list[str], Field(min_length=1)]
    language: str | None = None
    limit: Annotated[int, Field(ge=1)] | None = None

    @field_validator("language")
    @classmethod
    def _canonical(cls, tag: str | None) -> str | None:
        from lect.languages import normalise

        try:
            return None if tag is None else normalise(tag)
        except UserError as error:
            raise ValueError(str(error)) from None


def files_of(config: FilesConfig, folder: Path) -> Iterator[tuple[Path, str]]:
    """Each file, and how messages call it. Raises `DataError` where there is none."""
    for named in [config.path] if isinstance(config.path, str) else config.path:
        path = folder / named
        if not path.is_file():
            beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
            close = nearest(path.name, beside)
            fix = close if close.startswith("did you mean") else "correct the path"
            raise DataError("there is no such file", where=named, fix=fix)
        yield path, named


def lines(path: Path, where: str) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file from 1 on, without their ends. Raises `DataError` with the line."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                content = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
                try:
                    yield number, content.decode("utf-8").rstrip("\r\n")
                except UnicodeDecodeError:
                    raise DataError(
                        "invalid UTF-8", where=f"{where}, line {number}", fix="save the file as UTF-8"
                    ) from None
    except OSError as error:
        raise DataError(f"the file cannot be read ({error.strerror})", where=where) from None


def blocks(path: Path, where: str) -> Iterator[list[tuple[int, str]]]:
    """Lines between blank ones. Raises `DataError` where the file has none."""
    block: list[tuple[int, str]] = []
    empty = True
    for number, line in lines(path, where):
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


def joined(words: Sequence[str], spaces: Sequence[bool]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """A text of words, and where each one stands in it.

    Args:
        spaces: whether a space follows each word.
    """
    text, places = "", []
    for word, space in zip(words, spaces, strict=True):
        places.append((len(text), len(text) + len(word)))
        text += word + (" " if space else "")
    return text.rstrip(" "), tuple(places)

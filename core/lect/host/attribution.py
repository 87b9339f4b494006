"""Which plugin an exception came from: written on the exception, and read from it."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lect.errors import UserError
from lect.host.records import PluginRecord

_NOTE = re.compile(r"^in plugin '(?P<name>.+)' \(.*\), hook \w+$")


@contextmanager
def attributed(record: PluginRecord, hook: str) -> Iterator[None]:
    """A block that runs a plugin's code: an exception leaves it unchanged but for a note that names the plugin."""
    try:
        yield
    except Exception as error:
        _annotate(error, f"in plugin '{record.name}' ({record.distribution} {record.version}), hook {hook}")
        raise


def plugin_blamed(error: BaseException) -> str | None:
    """The name of the plugin that the exception, or one that caused it, came through."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        for note in getattr(link, "__notes__", ()):
            if found := _NOTE.match(note):
                return found["name"]
        link = link.__cause__ or link.__context__
    return None


def describe(error: BaseException, package: str | None = None) -> str:
    """An exception in one line: type, message and place.

    Args:
        package: the import name of a plugin's package; the place given is the last one inside it.
    """
    message = one_line(str(error))
    if isinstance(error, UserError):
        return message
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    place = None if isinstance(error, SyntaxError) else _place(error, package)
    return f"{text} ({place})" if place else text


def one_line(text: str) -> str:
    """The text with every run of white space, line ends too, as one space."""
    return " ".join(text.split())


def _annotate(error: BaseException, note: str) -> None:
    notes: list[str] = list(getattr(error, "__notes__", ()))
    if note not in notes:
        # What `add_note` does, which Python 3.10 does not have.
        error.__dict__["__notes__"] = [*notes, note]


def _place(error: BaseException, package: str | None) -> str | None:
    frames: list[Any] = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")
    ]
    own = [frame for frame in frames if package and package in (*Path(frame.filename).parts, Path(frame.filename).stem)]
    if not own and package:
        # An import that fails before its first line runs leaves only the importer's frames, which tell nobody a thing.
        return None
    frame = (own or frames or [None])[-1]
    if frame is None:
        return None
    return f"{'/'.join(Path(frame.filename).parts[-2:])}, line {frame.lineno}"

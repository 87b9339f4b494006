"""The reader of Java's properties files, as `java.util.Properties.load` defines them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lect import DataError, Example, ReaderSpec
from lect.data.files import read_lines, without_end
from lect_sources.keyed import KeyedTextConfig, Named, keyed_rows
from lect_sources.messages import Accelerators

_NAME = re.compile(r"((?:[^\\=: \t\f]|\\.)*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.)|$)", re.DOTALL)
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
_LONGEST = 1_000_000


class PropertiesConfig(KeyedTextConfig):
    """As `KeyedTextConfig`, of Java's properties; files from before Java 9 may need ``encoding = "latin-1"``."""

    accelerators: Accelerators = "&"


def read_properties(config: PropertiesConfig, folder: Path) -> Iterator[Example]:
    """The messages of ``messages_XX.properties`` with those of ``messages.properties``. Raises `DataError`."""
    return keyed_rows(config, folder, lambda path, where: _properties(config, path, where))


def _properties(config: PropertiesConfig, path: Path, where: str) -> Iterator[Named]:
    for line, written in _logical_lines(config, path, where):
        found = _NAME.fullmatch(written)
        place = f"{where}, line {line}"
        if found is None:
            raise DataError("no name and message", where=place, fix="write name = message")
        name, message = (_unescaped(part, place) for part in found.groups())
        # Where there are placeholders, `MessageFormat` takes two apostrophes for one.
        yield Named(name, {"other": message.replace("''", "'") if re.search(r"\{\d", message) else message}, place)


def _logical_lines(config: PropertiesConfig, path: Path, where: str) -> Iterator[tuple[int, str]]:
    """Lines that end in a backslash go on in the next one."""
    first, pieces, length = 0, list[str](), 0
    for number, raw in read_lines(path, where, encoding=config.encoding_of(path, where)):
        line = without_end(raw).lstrip(" \t\f")
        if not pieces and (not line or line[0] in "#!"):
            continue
        first = first or number
        length += len(line)
        if length > _LONGEST:
            raise DataError(
                f"a message of more than {_LONGEST:,} characters", where=f"{where}, line {first}", fix="break it up"
            )
        goes_on = (len(line) - len(line.rstrip("\\"))) % 2 == 1
        pieces.append(line[:-1] if goes_on else line)
        if not goes_on:
            yield first, "".join(pieces)
            first, pieces, length = 0, [], 0
    if pieces:
        yield first, "".join(pieces)


def _unescaped(text: str, place: str) -> str:
    if "\\" not in text:
        return text
    if re.search(r"(?<!\\)(?:\\\\)*\\u(?![0-9A-Fa-f]{4})", text):
        raise DataError("\\u without four digits", where=place, fix="write \\u and four digits from 0 to f")
    plain = _ESCAPE.sub(_character, text)
    # Halves of a pair are written as two escapes.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return _CONTROL.get(found[2], found[2]) if found[2] else ""


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="properties",
        summary="Java's properties files: messages_XX with messages",
        config=PropertiesConfig,
        read=read_properties,
        endings=(".properties",),
    ),
)

"""Catalogues of translated messages, as gettext has them (``.po``): what programs are translated in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from lect import DataError, Example
from lect.data.files import FilesConfig, left_out

_LINE = re.compile(r'(?:(msgctxt|msgid_plural|msgid|msgstr(?:\[\d+\])?)\s+)?"((?:[^"\\]|\\.)*)"')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_MARKERS = re.compile(r"(?<!\w)[&_](?=\w)")


class PoConfig(FilesConfig):
    """Which catalogues to read, and which entries."""

    fuzzy: bool = Field(False, description="whether entries that wait to be looked at are read, too")


def read_po(config: PoConfig, folder: Path) -> Iterator[Example]:
    """Each message as the text, with what it translates; its context is ``extra.context``. Raises `DataError`."""
    count = 0
    for path, where in config.files(folder):
        left, empty = 0, True
        for line, flags, entry in _entries(config.lines(path, where), where):
            if config.limit is not None and count >= config.limit:
                return
            empty = False
            text, original = (_shown(entry.get(name, "")) for name in ("msgstr", "msgid"))
            if not original:
                continue
            if not text or ("fuzzy" in flags and not config.fuzzy):
                left += 1
                continue
            count += 1
            extra = {"context": entry["msgctxt"]} if "msgctxt" in entry else None
            origin = f"{where}, line {line}"
            yield Example(text, translation=original, language=config.language, origin=origin, extra=extra)
        if empty:
            raise DataError("the file has no entries", where=where, fix="name a catalogue of gettext (.po)")
        left_out(where, left, "untranslated or fuzzy")


def _entries(lines: Iterator[tuple[int, str]], where: str) -> Iterator[tuple[int, str, dict[str, str]]]:
    """The line, the flags and the fields of each entry; of several plural forms the first is its translation."""
    first, flags, entry, field = 0, "", dict[str, str](), ""
    for number, line in lines:
        line = line.strip()
        if "msgstr" in entry and (line.startswith(("#", "msgctxt")) or re.match(r"msgid\b", line)):
            yield first, flags, entry
            first, flags, entry = 0, "", {}
        if line.startswith("#,"):
            flags = line
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None or not (found[1] or field):
            raise DataError("no line of a catalogue", where=f"{where}, line {number}", fix='write msgid "…"')
        field = (found[1] or field).removesuffix("[0]")
        first = first or number
        entry[field] = entry.get(field, "") + re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), found[2])
    if "msgstr" in entry:
        yield first, flags, entry


def _shown(message: str) -> str:
    """The message as it is read: on one line, without the marks of keys that menus have."""
    return " ".join(_MARKERS.sub("", message).split())

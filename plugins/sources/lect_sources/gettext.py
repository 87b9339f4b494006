"""The reader of gettext's catalogues: ``.po`` and ``.pot`` as text, ``.mo`` as programs have them; by polib."""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from lect import DataError, Example, ReaderSpec
from lect.data.files import Encoding, each_file, first_bytes, open_bytes, read_bytes, read_lines, without_end
from lect_sources.messages import Accelerators, CatalogueConfig, Message, State, forms, rows

_MAGIC = {b"\xde\x12\x04\x95": "<", b"\x95\x04\x12\xde": ">"}
_LARGEST = 1 << 28
"""The most bytes of a compiled catalogue, which is held as a whole."""
_AT_ONCE = 500
"""The lines that are parsed at once, and those to the next empty one."""
_LONGEST = 1 << 26
"""The most characters that are parsed at once."""
_CHARSET = re.compile(rb"Content-Type:[^\n]*?charset=([\w.:-]+)", re.IGNORECASE)


class GettextConfig(CatalogueConfig):
    """As `CatalogueConfig`, of catalogues of gettext.

    Args:
        encoding: what the files were saved in, such as ``cp1252``; by default what their headers say, else UTF-8.
    """

    accelerators: Accelerators = "_&"
    encoding: Encoding | None = None


def read_gettext(config: GettextConfig, folder: Path) -> Iterator[Example]:
    """The messages of catalogues, each form of a plural a row. Raises `DataError`."""
    files = each_file(config.path, folder, (".po", ".mo"))
    return islice(chain.from_iterable(rows(config, _messages(config, *file), file[1]) for file in files), config.limit)


def _messages(config: GettextConfig, path: Path, where: str) -> Iterator[Message]:
    head = first_bytes(path, where, 1 << 13)
    if head[:4] in _MAGIC:
        yield from _compiled(path, where, config.encoding)
        return
    for line, entry in _entries(path, where, config.encoding or _declared(head)):
        yield from _forms(entry, f"{where}, line {line}")


def _forms(entry: Any, place: str) -> Iterator[Message]:
    """A message's forms: the first goes with the source in the singular, where there is another one."""
    state: State = "obsolete" if entry.obsolete else "fuzzy" if "fuzzy" in entry.flags else ""
    # msgctxt, which parts two messages of one source, says nothing of what they say.
    if not entry.msgid_plural:
        yield Message(entry.msgid, entry.msgstr, place, state, entry.msgid)
        return
    written = [form for _, form in sorted(entry.msgstr_plural.items())] or [""]
    one = [entry.msgid] if len(written) > 1 else []
    sources = [*one, *[entry.msgid_plural] * (len(written) - len(one))]
    yield from forms(zip(sources, written, strict=True), place, state, entry.msgid)


class _Lines(str):
    """Lines that end at no other character than a line feed."""

    __slots__ = ()

    def splitlines(self, keepends: bool = False) -> list[str]:
        return self.split("\n")


def _entries(path: Path, where: str, encoding: str) -> Iterator[tuple[int, Any]]:
    """Each entry with its first line; some hundred lines are held at once."""
    import polib

    for first, lines in _blocks(path, where, encoding):
        try:
            # With its line feed at the end no text is the name of a file, which polib would open.
            catalogue = polib.pofile(_Lines("\n".join(lines) + "\n"), encoding="utf-8")
        except OSError as error:
            found = re.search(r"\(line (\d+)\)(?:: )?(.*)", str(error))
            at, why = (int(found[1]), found[2]) if found else (1, str(error))
            what = f"no line of a catalogue{f' ({why})' if why else ''}"
            raise DataError(what, where=f"{where}, line {first + at - 1}", fix="correct the entry") from None
        for entry in catalogue:
            yield first + max(entry.linenum, 1) - 1, entry


def _blocks(path: Path, where: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    first, block, length = 1, list[str](), 0
    for number, line in read_lines(path, where, encoding=encoding):
        bare = without_end(line)
        shown = bare.strip()
        if shown.startswith(("msg", '"', "#~ msg", '#~ "')) and (not shown.endswith('"') or shown.count('"') < 2):
            what = "the quotation marks of a message are not closed"
            raise DataError(what, where=f"{where}, line {number}", fix='write msgid "…" and msgstr "…"')
        if not shown and len(block) >= _AT_ONCE:
            yield first, block
            block, length = [], 0
            continue
        if not block:
            first = number
        block.append(bare)
        length += len(bare)
        if length > _LONGEST:
            what = f"{length:,} characters without an empty line between entries"
            raise DataError(what, where=f"{where}, line {number}", fix="put an empty line between entries")
    if block:
        yield first, block


def _declared(head: bytes) -> str:
    found = _CHARSET.search(head)
    try:
        return codecs.lookup(found[1].decode("ascii")).name if found else "utf-8"
    except LookupError:
        # A template has "CHARSET" there.
        return "utf-8"


def _compiled(path: Path, where: str, encoding: str | None) -> Iterator[Message]:
    import polib

    with open_bytes(path, where) as file:
        raw = read_bytes(file, _LARGEST + 1, where)
    broken = "the compiled catalogue is cut off or broken"
    fix = "compile it anew with msgfmt"
    try:
        if len(raw) > _LARGEST or _claimed(raw) > 2 * len(raw):
            raise DataError(broken, where=where, fix=fix)
        # The header is the first message, so that the first such line is in it.
        catalogue = polib.mofile(raw, encoding=encoding or _declared(raw))
    except (OSError, struct.error, UnicodeError, LookupError, ValueError) as error:
        said = " ".join(str(error).split())[:100]
        raise DataError(f"{broken} ({said})", where=where, fix=fix) from None
    for number, entry in enumerate(catalogue, start=1):
        yield from _forms(entry, f"{where}, message {number}")


def _claimed(raw: bytes) -> int:
    """The bytes that all messages claim to have: they may stand one over the other, and be more than the file."""
    order = _MAGIC[raw[:4]]
    count, sources, translations = struct.unpack_from(f"{order}III", raw, 8)
    if max(sources, translations) + 8 * count > len(raw):
        raise ValueError(f"{count:,} messages in {len(raw):,} bytes")
    places = [
        place
        for start in (sources, translations)
        for place in struct.iter_unpack(f"{order}II", raw[start : start + 8 * count])
    ]
    if any(length + begin > len(raw) for length, begin in places):
        raise ValueError("a message ends behind the file")
    return sum(length for length, _ in places)


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="gettext",
        summary="gettext's catalogues of a program's messages (.po, .mo)",
        config=GettextConfig,
        read=read_gettext,
        endings=(".po", ".mo", ".pot"),
    ),
)

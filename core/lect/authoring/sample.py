"""The beginning of a file as text, with the encoding that it was found to be in."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from lect.data.lines import open_bytes, read_bytes
from lect.data.paths import existing_file
from lect.errors import DataError

SIZE = 1 << 19
"""So many bytes are looked at."""
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class Sample:
    """The beginning of a file.

    Args:
        lines: without their ends; the last one is left out where it was cut.
        encoding: as readers take it.
        has_mark: whether it begins with a byte order mark.
        is_whole: whether this is all of the file.
    """

    lines: tuple[str, ...]
    encoding: str
    has_mark: bool
    is_whole: bool


def sample_of(path: Path, named: str) -> Sample:
    """The beginning of a file, plain or compressed.

    Args:
        named: how messages call it.

    Raises:
        DataError: there is no such file, or it holds no text.
    """
    with open_bytes(existing_file(path, named), named) as file:
        raw = read_bytes(file, SIZE + 1, named)
    is_whole, raw = len(raw) <= SIZE, raw[:SIZE]
    if not raw.strip():
        raise DataError("the file is empty", where=named)
    encoding, has_mark = encoding_of(raw, named)
    text = raw.decode(encoding, "ignore").removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return Sample(tuple(lines if is_whole or len(lines) == 1 else lines[:-1]), encoding, has_mark, is_whole)


def encoding_of(raw: bytes, named: str) -> tuple[str, bool]:
    """The encoding of a file's first bytes, and whether they begin with a byte order mark.

    What is no UTF-8 and has no mark is guessed, by the letters that it would give.

    Raises:
        DataError: it is of none that is known.
    """
    if raw.startswith(codecs.BOM_UTF8):
        return "utf-8", True
    for mark, encoding in _UTF16.items():
        if raw.startswith(mark):
            return encoding, True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(raw)
    except UnicodeDecodeError:
        return _guessed(raw, named), False
    if b"\0" not in raw:
        return "utf-8", False
    even, odd = raw[::2].count(0), raw[1::2].count(0)
    if max(even, odd) > len(raw) / 8:
        return ("utf-16-le" if odd > even else "utf-16-be"), False
    raise DataError("a NUL byte, which no text holds", where=named, fix="name a text file")


def _guessed(raw: bytes, named: str) -> str:
    from charset_normalizer import from_bytes

    found = from_bytes(raw[: 1 << 16]).best()
    if found is None:
        raise DataError("the file is in no encoding that is known", where=named, fix="save it as UTF-8")
    # Of encodings that give the same characters for it the one that most files are in.
    alike = [found.encoding, *found.could_be_from_charset]
    encoding = next((each for each in ("cp1252", "latin_1") if each in alike), found.encoding)
    return "cp1252" if encoding == "latin_1" else codecs.lookup(encoding).name

"""Lines of text files, plain or compressed, streamed: no line is ever larger in memory than is allowed."""

from __future__ import annotations

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

from lect.data.paths import STANDARD_INPUT
from lect.errors import DataError

LONGEST_LINE = 10_000_000
"""The bytes of the longest line that is read where nothing else is said."""

TooLong = Literal["refuse", "cut"]
InvalidBytes = Literal["refuse", "replace"]

_BOM = codecs.BOM_UTF8
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK = 1 << 16
_NO_TEXT = {
    b"PK\x03\x04": ("the file is a ZIP archive or an office document", "unpack it, or save it as text"),
    b"PAR1": ("the file is a Parquet file", 'read it with the reader "datasets"'),
    b"%PDF": ("the file is a PDF", "save it as text"),
    b"\x89PNG": ("the file is an image", "name a text file"),
    b"\xff\xd8\xff": ("the file is an image", "name a text file"),
    b"BZh": ("the file is compressed by bzip2", "unpack it, or compress it by gzip or zstd"),
    b"\xfd7zXZ": ("the file is compressed by xz", "unpack it, or compress it by gzip or zstd"),
}
"""How files begin that are no text, with what they are and what to do."""


def read_lines(
    path: Path,
    where: str,
    longest: int = LONGEST_LINE,
    too_long: TooLong = "refuse",
    invalid: InvalidBytes = "refuse",
    encoding: str = "utf-8",
) -> Iterator[tuple[int, str]]:
    """The lines of a text file, plain or compressed by gzip or zstd, from 1 on, each with its end.

    A byte order mark is no part of the first line. ``\\n`` ends a line; where a file has ``\\r`` and no ``\\n`` in its
    beginning, as old Macs wrote, ``\\r`` does, and is given as ``\\n``. No other character ends one.

    Args:
        where: how messages call the file.
        longest: the most bytes of a line, in UTF-8.
        too_long: ``cut`` gives the first `longest` bytes of a longer line and leaves the rest out.
        invalid: ``replace`` puts U+FFFD in the place of bytes that are not of the encoding.
        encoding: a name that Python's `codecs` knows.

    Raises:
        DataError: with the line; also where the file is binary, or its compressed stream is cut off or broken.
    """
    line = 0
    with open_bytes(path, where) as packed:
        file = _with_line_feeds(_in_utf8(packed, where, encoding, invalid), where)
        while True:
            raw = _read(file, longest + 1, where, line)
            if not raw:
                return
            line += 1
            place = f"{where}, line {line}"
            if line == 1:
                if raw.startswith(_UTF16):
                    raise DataError(
                        "the file is in UTF-16",
                        where=place,
                        fix='save it as UTF-8, or give its reader encoding = "utf-16"',
                    )
                raw = raw.removeprefix(_BOM)
            if len(raw) > longest and not raw.endswith(b"\n"):
                if too_long == "refuse":
                    raise DataError(
                        f"the line is longer than {longest:,} bytes",
                        where=place,
                        fix="break it into lines of a sentence or a paragraph each",
                    )
                raw = _cut(raw[:longest]) + b"\n"
                while (rest := _read(file, 1 << 16, where, line)) and not rest.endswith(b"\n"):
                    pass
            yield line, _decoded(raw, place, invalid)


def read_whole(path: Path, where: str, encoding: str = "utf-8") -> str:
    """All of a text file, read as `read_lines` reads it, with lines of any length. Raises `DataError`."""
    return "".join(text for _, text in read_lines(path, where, sys.maxsize - 1, encoding=encoding))


@contextmanager
def open_bytes(path: Path, where: str) -> Iterator[Any]:
    """A file's bytes, unpacked where it is compressed by gzip or zstd; it is known by its first bytes.

    Raises:
        DataError: it cannot be read, or it is of a kind that is no text.
    """
    try:
        with _opened(path) as file:
            # Not read and sought back: pipes cannot be.
            head = file.peek(6)[:6]
            for start, (what, fix) in _NO_TEXT.items():
                if head.startswith(start):
                    raise DataError(what, where=f"{where}, line 1", fix=fix)
            if head.startswith(_GZIP):
                with gzip.open(file) as unpacked:
                    yield unpacked
            elif head.startswith(_ZSTD):
                with _zstd().ZstdFile(file) as unpacked:
                    yield unpacked
            else:
                yield file
    except OSError as error:
        raise DataError(f"the file cannot be read ({error.strerror or error})", where=where) from None


def _opened(path: Path) -> Any:
    if str(path) != STANDARD_INPUT:
        return path.open("rb", buffering=_CHUNK)
    try:
        # A reader of its own: the interpreter cannot end while a thread waits in the one of `sys.stdin`.
        return open(sys.stdin.fileno(), "rb", buffering=_CHUNK, closefd=False)
    except OSError:
        # What stands in for it has no number.
        raw: Any = sys.stdin.buffer
        return io.BufferedReader(raw, _CHUNK)


def read_bytes(file: IO[bytes], size: int, where: str) -> bytes:
    """The next bytes, no more than `size`. Raises `DataError` where a compressed stream is cut off or broken."""
    return _checked(lambda: file.read(size), where)


def first_bytes(path: Path, where: str, count: int) -> bytes:
    """How a file begins, unpacked; nothing of a pipe, which cannot be read twice. Raises `DataError`."""
    if not path.is_file():
        return b""
    with open_bytes(path, where) as file:
        return read_bytes(file, count, where)


def without_end(line: str) -> str:
    """The line without its end: ``\\n``, ``\\r\\n``, or ``\\r\\r\\n`` as files have that were converted twice."""
    return line.removesuffix("\n").rstrip("\r")


class _Bytes(io.RawIOBase):
    """Bytes that are made of a file's, a chunk at a time."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left and not self._ended:
            # No more than there is now: the next bytes of a pipe may be long in coming.
            raw = self._file.read1(_CHUNK)
            self._ended = not raw
            self._left = self._made(raw)
        some, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(some)] = some
        return len(some)

    def _made(self, raw: bytes) -> bytes:
        """What becomes of the next bytes; none are the end."""
        raise NotImplementedError


class _LineFeeds(_Bytes):
    def _made(self, raw: bytes) -> bytes:
        return raw.replace(b"\r", b"\n")


class _InUtf8(_Bytes):
    def __init__(self, file: IO[bytes], where: str, encoding: str, invalid: InvalidBytes) -> None:
        super().__init__(file)
        self._where, self._encoding, self._line = where, encoding, 1
        self._decoder = codecs.getincrementaldecoder(encoding)("strict" if invalid == "refuse" else "replace")

    def _made(self, raw: bytes) -> bytes:
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            before = bytes(error.object[: error.start]).decode(self._encoding, "replace")
            raise DataError(
                f"byte 0x{error.object[error.start]:02x} is not of the encoding {self._encoding}",
                where=f"{self._where}, line {self._line + _ends(before)}",
                fix="name the encoding that the file was saved in",
            ) from None
        self._line += _ends(text)
        return text.encode("utf-8", "replace")


def _ends(text: str) -> int:
    return max(text.count("\n"), text.count("\r"))


def _in_utf8(file: Any, where: str, encoding: str, invalid: InvalidBytes) -> Any:
    if encoding in ("utf-8", "utf-8-sig"):
        return file
    if _beginning(file, where).startswith(_BOM):
        raise DataError(
            f"the file begins with the mark of UTF-8, so it is not in {encoding}",
            where=f"{where}, line 1",
            fix="take encoding out",
        )
    return io.BufferedReader(_InUtf8(file, where, encoding, invalid), _CHUNK)


def _with_line_feeds(file: Any, where: str) -> Any:
    head = _beginning(file, where)
    if b"\r" in head.removesuffix(b"\r") and b"\n" not in head and not head.startswith(_UTF16):
        return io.BufferedReader(_LineFeeds(file), _CHUNK)
    return file


def _beginning(file: Any, where: str) -> bytes:
    """The first bytes, which stay to be read."""
    found: bytes = _checked(lambda: file.peek(_CHUNK), f"{where}, after line 0")
    return found


def _read(file: IO[bytes], size: int, where: str, line: int) -> bytes:
    return _checked(lambda: file.readline(size), f"{where}, after line {line}")


def _checked(read: Any, where: str) -> bytes:
    try:
        content: bytes = read()
    except EOFError:
        raise DataError("the compressed file is cut off", where=where, fix="fetch or compress it again") from None
    except Exception as error:
        # The module of zstd's exception is only there where zstd is.
        if not isinstance(error, (gzip.BadGzipFile, zlib.error)) and type(error).__name__ != "ZstdError":
            raise
        what = f"the compressed file is broken ({' '.join(str(error).split())})"
        raise DataError(what, where=where, fix="fetch or compress it again") from None
    return content


def _zstd() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise DataError("zstd cannot be unpacked here", fix='install it: pip install "backports.zstd"') from None
    return zstd


def _cut(raw: bytes) -> bytes:
    """Without the bytes of a character at its end that is not whole."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    return decoder.decode(raw).encode("utf-8", "surrogateescape")


def _decoded(raw: bytes, where: str, invalid: InvalidBytes) -> str:
    if b"\0" in raw:
        raise DataError("a NUL byte, which no text holds", where=where, fix="save the file as UTF-8 text")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if invalid == "replace":
            return raw.decode("utf-8", "replace")
        raise DataError(
            f"invalid UTF-8: byte 0x{raw[error.start]:02x} at position {error.start + 1} of the line",
            where=where,
            fix='save the file as UTF-8, or give its reader what it was saved in, such as encoding = "cp1252"',
        ) from None

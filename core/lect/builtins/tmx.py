"""The reader of TMX, the exchange format of translation memories (TMX 1.4b, https://www.gala-global.org/tmx-14b)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from xml.parsers import expat

from pydantic import Field

from lect.data.examples import Example
from lect.data.files import Count, LanguageTag
from lect.data.lines import open_bytes, read_bytes
from lect.data.paths import existing_file
from lect.errors import DataError, UserError
from lect.fields import Config
from lect.specs import ReaderSpec

_CHUNK = 1 << 16
_NATIVE_CODE = frozenset({"bpt", "ept", "it", "ph", "ut"})
"""Elements of a segment that hold a format's own marks, such as HTML's, and no text."""


class TmxConfig(Config):
    """Which two languages of a translation memory to read.

    Args:
        path: the file, plain or compressed by gzip or zstd; relative to the recipe's folder.
        text: the language of the text, as the file names it or by its BCP 47 tag; ``en`` also finds ``en-GB``.
        translation: the language of the translation.
        keys: a name for this memory; a unit's key is ``NAME:`` and its ``tuid``, else its number.
        limit: read no more than this many pairs.
        longest: the most characters of a segment.
    """

    path: Annotated[str, Field(min_length=1)]
    text: LanguageTag
    translation: LanguageTag
    keys: Annotated[str, Field(min_length=1)] | None = None
    limit: Count | None = None
    longest: Count = 1_000_000


def read_tmx(config: TmxConfig, folder: Path) -> Iterator[Example]:
    """The units that have a segment in both languages.

    Nothing outside the file is read, and a file that defines entities of its own is refused.

    Raises:
        DataError: the file is no well-formed XML, defines entities, holds a segment that is too long, or has no unit
            in both languages; with the line.
    """
    path = existing_file(folder / Path(config.path).expanduser(), config.path)
    return islice(_pairs(config, path), config.limit)


def _pairs(config: TmxConfig, path: Path) -> Iterator[Example]:
    where, none = config.path, True
    units = _Units(where, config.longest)
    languages: Counter[str] = Counter()
    with open_bytes(path, where) as file:
        while units.feed(read_bytes(file, _CHUNK, where)):
            for number, name, line, segments in units.taken():
                languages.update(segments.keys())
                text, translation = _segment(segments, config.text), _segment(segments, config.translation)
                if not text or not translation:
                    continue
                none = False
                key = None if config.keys is None else f"{config.keys}:{name or number}"
                place = f"{where}, line {line}"
                yield Example(text, translation=translation, language=config.text, key=key, origin=place)
    if none:
        found = ", ".join(f"{language} ({count})" for language, count in languages.most_common(8)) or "none"
        raise DataError(
            f'no unit has both "{config.text}" and "{config.translation}" (languages: {found})',
            where=where,
            fix="set text and translation to two of them",
        )


class _Units:
    """Gathers translation units of XML that comes in chunks."""

    def __init__(self, where: str, longest: int) -> None:
        self._where, self._longest = where, longest
        self._count = 0
        self._name, self._line = "", 0
        self._segments: dict[str, str] = {}
        self._language = ""
        self._text: list[str] | None = None
        self._length = self._native = self._fed = 0
        self._done: list[tuple[int, str, int, dict[str, str]]] = []
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = self._entity

    def feed(self, chunk: bytes) -> bool:
        """Parse a chunk, the empty one being the end; whether there was anything to parse."""
        try:
            self._parser.Parse(chunk, not chunk)
        except expat.ExpatError as error:
            what = f"not well-formed XML: {expat.ErrorString(error.code)}"
            raise DataError(what, where=f"{self._where}, line {error.lineno}", fix="export it anew") from None
        self._fed += len(chunk)
        # A tag is only parsed when all of it is there, however long.
        if self._fed - self._parser.CurrentByteIndex > 4 * self._longest + 16 * _CHUNK:
            raise self._refusal(f"a tag of more than {4 * self._longest:,} bytes", "export it anew")
        return bool(chunk)

    def taken(self) -> list[tuple[int, str, int, dict[str, str]]]:
        """The units that have ended since: number, ``tuid``, line, and segments by language."""
        done, self._done = self._done, []
        return done

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        if self._count == 0 and not self._line and element != "tmx":
            raise self._refusal(f"the root element is <{element}>, not <tmx>", "name a TMX file")
        self._line = self._line or 1
        if element == "tu":
            self._count += 1
            self._name, self._line, self._segments = attributes.get("tuid", ""), self._here, {}
        elif element == "tuv":
            self._language = attributes.get("xml:lang") or attributes.get("lang", "")
        elif element == "seg":
            self._text, self._length, self._native = [], 0, 0
        elif element in _NATIVE_CODE:
            self._native += 1

    def _end(self, element: str) -> None:
        if element == "seg" and self._text is not None:
            text = " ".join("".join(self._text).split())
            self._segments.setdefault(self._language, text)
            self._text = None
        elif element == "tu":
            self._done.append((self._count, self._name, self._line, self._segments))
        elif element in _NATIVE_CODE:
            self._native -= 1

    def _characters(self, text: str) -> None:
        if self._text is None or self._native:
            return
        self._length += len(text)
        if self._length > self._longest:
            raise self._refusal(f"a segment of more than {self._longest:,} characters", "break it up, or set longest")
        self._text.append(text)

    def _entity(self, name: str, *more: Any) -> None:
        raise self._refusal(f'the file defines an entity ("{name}"), which can hide a bomb', "export it without a DTD")

    @property
    def _here(self) -> int:
        return int(self._parser.CurrentLineNumber)

    def _refusal(self, what: str, fix: str) -> DataError:
        return DataError(what, where=f"{self._where}, line {self._here}", fix=fix)


def _segment(segments: dict[str, str], wanted: str) -> str | None:
    """The segment of the language: of the same tag, else of the same language in a region."""
    tags = {_tag(written): text for written, text in segments.items()}
    if wanted in tags:
        return tags[wanted]
    return next((text for tag, text in tags.items() if tag.startswith(f"{wanted}-")), None)


def _tag(written: str) -> str:
    from lect.languages.tags import normalise

    try:
        return normalise(written)
    except UserError:
        # Memories hold tags of their makers' own; they are nobody's language.
        return written


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="tmx",
        summary="two languages of a translation memory (TMX)",
        config=TmxConfig,
        read=read_tmx,
        endings=(".tmx",),
    ),
)

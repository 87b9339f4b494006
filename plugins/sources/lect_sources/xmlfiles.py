"""Elements of XML files, streamed: nothing outside a file is read, and no entity of its own is expanded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from lect import DataError
from lect.data.files import open_bytes, read_bytes

LONGEST = 1_000_000
"""The most characters of an element, where nothing else is said."""
_CHUNK = 1 << 16
_DEEPEST = 200
_PER_ELEMENT = 16
"""What an element counts for beside its characters, so that empty ones do not pile up without end."""
_READERS = {
    "resources": "android",
    "tmx": "tmx",
    "xliff": "xliff",
    "TS": "qt",
    "ANNOTATION_DOCUMENT": "elan",
    "document": "flextext",
    "TEI": "tei",
    "TEI.2": "tei",
    "lift": "lift",
    "usx": "verses",
}
"""The readers of files by their root elements."""


@dataclass
class Element:
    """An element with all that is in it.

    Args:
        name: its name without a prefix.
        attributes: by their names as written, so that ``xml:lang`` has its prefix.
        line: where it begins.
        content: texts and elements, in order.
    """

    name: str
    attributes: Mapping[str, str]
    line: int
    content: list[str | Element] = field(default_factory=list)

    def children(self, *names: str) -> list[Element]:
        """The elements right in it, of these names or of any."""
        return [one for one in self.content if isinstance(one, Element) and (not names or one.name in names)]

    def child(self, name: str) -> Element | None:
        """The first element right in it of a name."""
        return next(iter(self.children(name)), None)

    def within(self, name: str) -> Iterator[Element]:
        """All elements of a name in it, however deep."""
        for one in self.children():
            if one.name == name:
                yield one
            yield from one.within(name)

    def text(self, without: Collection[str] = ()) -> str:
        """Its text and that of the elements in it, but for some elements."""
        return "".join(
            one if isinstance(one, str) else one.text(without)
            for one in self.content
            if isinstance(one, str) or one.name not in without
        )

    def get(self, name: str, default: str = "") -> str:
        """An attribute."""
        return self.attributes.get(name, default)

    @property
    def language(self) -> str:
        """What it says of its language; of TEI's attributes the older one, too."""
        return self.get("xml:lang") or self.get("lang")


def elements(
    path: Path, where: str, root: Collection[str], wanted: Collection[str], longest: int = LONGEST
) -> Iterator[Element]:
    """The elements of some names, as they come; what is in one of them is a part of it and does not come again.

    Args:
        where: how messages call the file.
        root: the names that the root element may have.
        wanted: the names of the elements.
        longest: the most characters of one.

    Raises:
        DataError: the file is no well-formed XML, is of another format, defines entities, or has an element that is
            too large; with the line.
    """
    gathering = _Gathering(where, root, wanted, longest)
    with open_bytes(path, where) as file:
        while gathering.feed(read_bytes(file, _CHUNK, where)):
            yield from gathering.taken()
        yield from gathering.taken()


class _Gathering:
    """Gathers elements of XML that comes in chunks."""

    def __init__(self, where: str, root: Collection[str], wanted: Collection[str], longest: int) -> None:
        self._where, self._root, self._wanted, self._longest = where, root, wanted, longest
        self._open: list[Element] = []
        self._done: list[Element] = []
        self._depth = self._size = self._fed = 0
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = self._entity
        parser.SkippedEntityHandler = self._unknown_entity

    def feed(self, chunk: bytes) -> bool:
        """Parse a chunk, the empty one being the end; whether there was anything to parse."""
        try:
            self._parser.Parse(chunk, not chunk)
        except expat.ExpatError as error:
            what = "the file is empty" if not self._fed and not chunk else None
            what = what or f"not well-formed XML: {expat.ErrorString(error.code)}"
            raise DataError(what, where=f"{self._where}, line {error.lineno}", fix="export it anew") from None
        except (LookupError, ValueError) as error:
            raise self._refusal(f"the encoding cannot be read ({error})", "save it as UTF-8") from None
        self._fed += len(chunk)
        # A tag is only parsed when all of it is there, however long.
        if self._fed - max(self._parser.CurrentByteIndex, 0) > 4 * self._longest + _CHUNK:
            raise self._refusal(f"a tag of more than {4 * self._longest:,} bytes", "export it anew")
        return bool(chunk)

    def taken(self) -> list[Element]:
        """The elements that have ended since."""
        done, self._done = self._done, []
        return done

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if not self._depth and local not in self._root:
            other = _READERS.get(local)
            fix = f"read it with --reader {other}" if other else "name a file of this format, or another reader"
            raise self._refusal(f"the root element is <{local}>, not <{next(iter(self._root))}>", fix)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._refusal(f"elements in elements, more than {_DEEPEST} deep", "export it anew")
        if self._open or local in self._wanted:
            element = Element(local, attributes, self._parser.CurrentLineNumber)
            self._grown(_PER_ELEMENT + sum(map(len, attributes.values())))
            if self._open:
                self._open[-1].content.append(element)
            self._open.append(element)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._open:
            element = self._open.pop()
            if not self._open:
                self._done.append(element)
                self._size = 0

    def _characters(self, text: str) -> None:
        if self._open:
            self._grown(len(text))
            self._open[-1].content.append(text)

    def _grown(self, by: int) -> None:
        self._size += by
        if self._size > self._longest:
            what = f"<{self._open[0].name}> of more than {self._longest:,} characters" if self._open else "a long tag"
            raise self._refusal(what, "export it anew, in smaller parts")

    def _entity(self, name: str, *more: Any) -> None:
        raise self._refusal(f'the file defines an entity ("{name}"), which can hide a bomb', "export it without a DTD")

    def _unknown_entity(self, name: str, *more: Any) -> None:
        raise self._refusal(f'"&{name};" is defined elsewhere, and nothing else is read', "write the character itself")

    def _refusal(self, what: str, fix: str) -> DataError:
        return DataError(what, where=f"{self._where}, line {self._parser.CurrentLineNumber}", fix=fix)

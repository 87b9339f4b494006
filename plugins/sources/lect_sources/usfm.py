"""Verses in USFM (https://docs.usfm.bible) and in USX, which is the same in XML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lect import DataError
from lect.data.files import read_lines, without_end
from lect_sources.verse_units import Unit, VerseBuilder
from lect_sources.xmlfiles import Element, elements

_MARKER = re.compile(r"\\(?:\+?(?P<name>[A-Za-z]+\d*(?:-[se])?)(?P<end>\*)?|\*)[ \t]?")
_NUMBERS = re.compile(r"\s*(\d{1,4})[a-z]?(?:\s*[-–—,]\s*\u200f?(\d{1,4})[a-z]?)?(?=\s|\\|$)[ \t]?")
_NOTES = frozenset({"f", "fe", "ef", "efe", "x", "ex", "fig", "va", "vp", "ca", "rq", "pro"})
"""What is no text of the verse, to its end mark."""
_HEADING = re.compile(
    "(?:id|usfm|ide|sts|rem|h|toca?|mte?|ms|mr|sr?|r|d|sp|sd|cl|cp|cd|qa|imte?|is|i|ip[iqr]?|im[iq]?|iq|ib|ili|iot|io"
    r"|ior|iex|ie|restore|periph)\d*"
)
"""Paragraphs that are no text of a verse."""
_PARAGRAPH = re.compile(
    r"(?:p[ochi]?|pmo?|pm[cr]|pr|mi?|cls|nb|q[rcmd]?|b|li|l[hf]|lim|tr|t[ch]|tcr|tcc|thr|thc)\d*(?:-\d+)?"
)
"""Paragraphs, in which a verse goes on."""


def read_usfm(path: Path, where: str, encoding: str) -> Iterator[Unit]:
    """The verses of a book, without notes, cross references and headings. Raises `DataError`."""
    book = _Usfm(where)
    for line, text in read_lines(path, where, encoding=encoding):
        book.read(without_end(text), f"{where}, line {line}")
        yield from book.verses.taken()
    book.verses.end_verse()
    yield from book.verses.taken()


class _Usfm:
    def __init__(self, where: str) -> None:
        self.verses = VerseBuilder()
        self._note = ""
        self._in_text = False

    def read(self, line: str, place: str) -> None:
        """Read the next line, which parts what stands before it and after."""
        position = 0
        for found in _MARKER.finditer(line):
            if found.start() < position:
                continue
            ends = found["name"] is None or found["end"] is not None
            self._text(line[position : found.start()], ends)
            position = found.end()
            if ends and line[position - 1] != "*":
                # A space after the end of a mark is one of the text.
                position -= 1
            position = self._mark(found["name"] or "", ends, line, position, place)
        self._text(line[position:] + "\n", False)

    def _text(self, text: str, before_end: bool) -> None:
        if not self._note and self._in_text:
            # What is said of a word, such as its lemma, stands behind it.
            shown = text.split("|", 1)[0] if before_end else text
            self.verses.add(shown.replace("~", " ").replace("//", " "))

    def _mark(self, name: str, ends: bool, line: str, position: int, place: str) -> int:
        """Act on a mark; where the text goes on."""
        if self._note and name in ("id", "c", "v"):
            # A note that nobody closed ends where its verse does.
            self._note = ""
        if self._note:
            if ends and name == self._note:
                self._note = ""
            return position
        if ends:
            return position
        if name in _NOTES:
            self._note = name
        elif name == "id":
            self.verses.begin_book(line[position:].split(" ", 1)[0][:3])
            self._in_text = False
        elif name == "c":
            number = re.match(r"\s*(\d+)", line[position:])
            if number is None:
                raise DataError("a chapter without a number", where=place, fix="write \\c and its number")
            self.verses.begin_chapter(number[1])
            self._in_text = False
            return position + number.end()
        elif name == "v":
            numbers = _NUMBERS.match(line, position)
            if numbers is None:
                raise DataError("a verse without a number", where=place, fix="write \\v and its number")
            self.verses.begin_verse(int(numbers[1]), int(numbers[2] or numbers[1]), place)
            self.verses.add(" ")
            self._in_text = True
            return numbers.end()
        elif _HEADING.fullmatch(name):
            self._in_text = False
        elif _PARAGRAPH.fullmatch(name):
            self.verses.add(" ")
            self._in_text = True
        return position


def read_usx(path: Path, where: str) -> Iterator[Unit]:
    """The verses of a book in USX. Raises `DataError`."""
    verses = VerseBuilder()
    for element in elements(path, where, ("usx", "usfm"), ("book", "chapter", "para", "table")):
        _walk(element, verses, where)
        verses.add(" ")
        yield from verses.taken()
    verses.end_verse()
    yield from verses.taken()


def _walk(element: Element, verses: VerseBuilder, where: str) -> None:
    place = f"{where}, line {element.line}"
    if element.name == "book":
        verses.begin_book(element.get("code"))
    elif element.name == "chapter":
        if element.get("number"):
            verses.begin_chapter(element.get("number"))
    elif element.name == "verse":
        if "number" not in element.attributes:
            verses.end_verse()
            return
        numbers = _NUMBERS.match(element.get("number"))
        if numbers is None:
            raise DataError("a verse without a number", where=place, fix='write number="1"')
        verses.begin_verse(int(numbers[1]), int(numbers[2] or numbers[1]), place)
    elif element.name not in ("note", "figure", "sidebar", "optbreak") and not _is_heading(element):
        for one in element.content:
            if isinstance(one, str):
                verses.add(one)
            else:
                if one.name in ("cell", "optbreak"):
                    verses.add(" ")
                _walk(one, verses, where)


def _is_heading(element: Element) -> bool:
    style = element.get("style")
    return (element.name == "para" and _HEADING.fullmatch(style) is not None and element.child("verse") is None) or (
        element.name == "char" and style in _NOTES
    )

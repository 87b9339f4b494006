"""Verses of a text, and those of two texts side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lect import DataError

_LONGEST_BRIDGE = 200
_LONGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Unit:
    """A verse, or several that a translator has put into one text.

    Args:
        verses: their references, such as ``GEN 1:1``.
        place: where it stands.
    """

    verses: tuple[str, ...]
    text: str
    place: str


class VerseBuilder:
    """Gathers the verses of marked-up text, of which the marks come one by one."""

    def __init__(self) -> None:
        self._book, self._chapter = "", ""
        self._verses: tuple[str, ...] = ()
        self._place = ""
        self._pieces: list[str] = []
        self._length = 0
        self._done: list[Unit] = []

    def begin_book(self, code: str) -> None:
        """A book begins, known by its code of three characters."""
        self.end_verse()
        self._book, self._chapter = code.upper(), ""

    def begin_chapter(self, number: str) -> None:
        """A chapter begins."""
        self.end_verse()
        self._chapter = number

    def begin_verse(self, first: int, last: int, place: str) -> None:
        """A verse begins, or several in one. Raises `DataError` where there is no book or chapter."""
        if not self._book or not self._chapter:
            missing = "book" if not self._book else "chapter"
            raise DataError(f"a verse before any {missing}", where=place, fix=f"say of which {missing} it is")
        if not first <= last <= first + _LONGEST_BRIDGE:
            raise DataError(f"verses {first} to {last} in one", where=place, fix="correct the numbers")
        verses = tuple(f"{self._book} {self._chapter}:{number}" for number in range(first, last + 1))
        if verses != self._verses:
            # Else the second half of one verse goes on with it.
            self.end_verse()
            self._verses, self._place = verses, place

    def add(self, text: str) -> None:
        """Text; what stands in no verse is left out. Raises `DataError` where a verse never ends."""
        if self._verses:
            self._pieces.append(text)
            self._length += len(text)
            if self._length > _LONGEST:
                what = f"a verse of more than {_LONGEST:,} characters"
                raise DataError(what, where=self._place, fix="see whether marks of verses are missing")

    def end_verse(self) -> None:
        """The verse is over."""
        text = " ".join("".join(self._pieces).split())
        if self._verses and text:
            self._done.append(Unit(self._verses, text, self._place))
        self._verses, self._pieces, self._length = (), [], 0

    def taken(self) -> list[Unit]:
        """The verses that have ended since."""
        done, self._done = self._done, []
        return done


def side_by_side(ours: Iterable[Unit], theirs: Iterable[Unit]) -> Iterator[tuple[Unit, str | None]]:
    """Each verse of the first text, and the same of the other one: None where that lacks it, or a part of it.

    Where one of them has put several verses into one, those of the other are joined.
    """
    first, second = list(ours), list(theirs)
    in_first, in_second = _by_verse(first), _by_verse(second)
    done: set[int] = set()
    for number in range(len(first)):
        if number in done:
            continue
        mine, others, verses, waiting = {number}, set[int](), set[str](), list(first[number].verses)
        while waiting:
            verse = waiting.pop()
            if verse in verses:
                continue
            verses.add(verse)
            for found in in_first.get(verse, ()):
                mine.add(found)
                waiting += first[found].verses
            for found in in_second.get(verse, ()):
                others.add(found)
                waiting += second[found].verses
        done |= mine
        units = [first[each] for each in sorted(mine)]
        covered = all(verse in in_first and verse in in_second for verse in verses)
        joined = Unit(
            tuple(dict.fromkeys(verse for unit in units for verse in unit.verses)),
            " ".join(unit.text for unit in units),
            units[0].place,
        )
        yield joined, " ".join(second[each].text for each in sorted(others)) if covered else None


def _by_verse(units: list[Unit]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, unit in enumerate(units):
        for verse in unit.verses:
            found.setdefault(verse, []).append(number)
    return found

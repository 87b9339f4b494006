"""Where an answer stands in its context, although it is not said, or said in another count of characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

_NEAR = 20
"""How many characters an offset may be wrong by and still be taken for a slip."""

Place = tuple[int, int]
"""The first character, and the one behind the last."""


def place_of(context: str, text: str, start: int | None) -> Place | None:
    """Where an answer stands: as it is written, else in another Unicode form, else in other case.

    Of several places that one is taken which is nearest to the offset and no further than a slip from it, or that is at
    the offset when bytes of UTF-8 or units of UTF-16 are counted; a single place wherever it is.

    Args:
        start: the offset that is said, where one is.
    """
    for found in (_exact, _composed, _folded):
        places = found(context, text)
        if places:
            return _chosen(context, places, start)
    return None


def _chosen(context: str, places: list[Place], start: int | None) -> Place | None:
    if start is not None:
        nearest = min(places, key=lambda place: abs(place[0] - start))
        if abs(nearest[0] - start) <= _NEAR:
            return nearest
        for count in (_after_bytes(context, start, "utf-8", 1), _after_bytes(context, start, "utf-16-le", 2)):
            if (found := next((place for place in places if place[0] == count), None)) is not None:
                return found
    return places[0] if len(places) == 1 else None


def _after_bytes(context: str, units: int, encoding: str, width: int) -> int:
    """The number of the character before which so many units of an encoding stand."""
    return len(context.encode(encoding, "surrogatepass")[: units * width].decode(encoding, "ignore"))


def _exact(context: str, text: str) -> list[Place]:
    return [(first, first + len(text)) for first in _starts(context, text)]


def _composed(context: str, text: str) -> list[Place]:
    return _in_form(context, text, lambda letter: unicodedata.normalize("NFC", letter))


def _folded(context: str, text: str) -> list[Place]:
    return _in_form(context, text, lambda letter: unicodedata.normalize("NFC", letter).casefold())


def _in_form(context: str, text: str, form: Callable[[str], str]) -> list[Place]:
    """Where the text stands when every letter, with its marks, is written in a form."""
    written, places = [], list[Place]()
    for first, end in _letters(context):
        letter = form(context[first:end])
        written.append(letter)
        places += [(first, end)] * len(letter)
    wanted = "".join(form(text[first:end]) for first, end in _letters(text))
    found = []
    for first in _starts("".join(written), wanted):
        last = first + len(wanted) - 1
        # Whole letters only: a form may make several characters of one.
        if (first == 0 or places[first - 1] != places[first]) and (
            last + 1 == len(places) or places[last] != places[last + 1]
        ):
            found.append((places[first][0], places[last][1]))
    return found


def _letters(text: str) -> list[Place]:
    """Each letter with the marks, or the further parts of a Korean syllable, behind it."""
    starts = [at for at, character in enumerate(text) if at == 0 or not _goes_on(character)]
    return list(zip(starts, [*starts[1:], len(text)], strict=True))


def _goes_on(character: str) -> bool:
    return unicodedata.combining(character) > 0 or "\u1160" <= character <= "\u11ff"


def _starts(text: str, wanted: str) -> list[int]:
    found, at = [], text.find(wanted) if wanted else -1
    while at >= 0:
        found.append(at)
        at = text.find(wanted, at + 1)
    return found

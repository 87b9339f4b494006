"""Which of two or more texts beside each other is the language that is learned, and which its translation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lect.authoring.detect import SIDES, Detected
from lect.authoring.languages import Guess, guess_language
from lect.errors import DataError
from lect.languages.identify import plain
from lect.languages.relations import facts_of, family_likeness, place_likeness

if TYPE_CHECKING:
    from lect.languages.identify import Identifier

_KNOWN_WELL = "en fr es pt de ru ar hi zh id sw tr fa ms it ja ko nl pl vi"
PIVOTS = tuple(_KNOWN_WELL.split())
"""Languages that multilingual models know well, so that others are learned by translations into them."""


def sides_of(detected: Detected, identifier: Identifier) -> dict[str, Guess]:
    """The language of each column of texts. Texts are read, names of files are not: these say one language for all."""
    return {column: guess_language(texts, "", identifier, column) for column, texts in detected.texts.items()}


def oriented(detected: Detected, sides: Mapping[str, Guess], language: str | None, named: str) -> Detected:
    """The pairs with the side of a language as the text.

    Args:
        language: its tag; None where it is not known yet.
        named: how messages call the file.

    Raises:
        DataError: there are several languages and nothing says which is meant.
    """
    columns = list(sides)
    own = None if language is None else _column_of(language, sides)
    if own is None:
        # What is in a language that every backbone knows is the translation, if the rest is one column.
        unknown = [column for column in columns if plain(sides[column].tag or "") not in PIVOTS]
        if len(columns) > 2 and len(unknown) != 1:
            listed = (f"{guess.tag} ({column})" if guess.tag else column for column, guess in sides.items())
            raise DataError(
                f"texts in {len(columns)} languages, {', '.join(listed)}",
                where=named,
                fix=f"name one with --language; for all of them: lect new fleet --pairs {named}",
            )
        own = unknown[0] if len(unknown) == 1 else columns[0]
    other = _translation(own, [column for column in columns if column != own], sides, language)
    return _with_sides(detected, own, other)


def _column_of(language: str, sides: Mapping[str, Guess]) -> str | None:
    return next((column for column, guess in sides.items() if guess.tag and plain(guess.tag) == plain(language)), None)


def _translation(own: str, others: Sequence[str], sides: Mapping[str, Guess], language: str | None) -> str:
    """The column to learn from: in a language that backbones know, the nearest to the one that is learned."""
    tags = {column: plain(sides[column].tag or "") for column in others}
    known = [column for column in others if tags[column] in PIVOTS]
    if len(known) < 2:
        return (known or list(others))[0]
    tag = language or sides[own].tag
    if tag is None:
        return min(known, key=lambda column: PIVOTS.index(tags[column]))
    here = facts_of(tag)

    def nearness(column: str) -> tuple[float, int]:
        there = facts_of(tags[column])
        likeness = [each for each in (family_likeness(here, there), place_likeness(here, there)) if each is not None]
        return sum(likeness) / max(1, len(likeness)), -PIVOTS.index(tags[column])

    return max(known, key=nearness)


def _with_sides(detected: Detected, own: str, other: str) -> Detected:
    texts = {"": detected.texts[own], other: detected.texts[other]}
    if tuple(detected.texts) == SIDES:
        found = detected.named(reverse=True) if own == SIDES[1] else detected
    else:
        found = detected.named(text=own, translation=other)
    return replace(found, texts=texts)

"""Labels that differ by case or white space alone: classes of their own, and most often a slip."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from lect.data.examples import Example
from lect.errors import DataError, name_invisible

_MOST = 5000
"""A set of more labels than these is no closed one, and is not looked at."""


class LabelForms:
    """Counts the labels and tags of rows as they come, and says which of them are nearly one."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def watch(self, examples: Iterable[Example]) -> Iterator[Example]:
        """The examples, as they are."""
        for example in examples:
            if len(self._counts) <= _MOST:
                if example.label is not None:
                    self._counts[example.label] += 1
                self._counts.update(example.labels or ())
                self._counts.update(set(example.tags or ()))
            yield example

    def alike(self) -> list[list[tuple[str, int]]]:
        """Groups of labels that differ by case or white space alone, each with how many rows have it."""
        if len(self._counts) > _MOST:
            return []
        groups: dict[str, list[tuple[str, int]]] = {}
        for label, count in self._counts.most_common():
            groups.setdefault(_fold(label), []).append((label, count))
        return [group for group in groups.values() if len(group) > 1]

    def __str__(self) -> str:
        groups = [
            ", ".join(f'"{name_invisible(label)}" ({count:,})' for label, count in group) for group in self.alike()
        ]
        more = f", and {len(groups) - 3} more" if len(groups) > 3 else ""
        return f"labels that differ by case or space alone are classes of their own: {'; '.join(groups[:3])}{more}"


def checked_tag(tag: str, where: str) -> str:
    """A tag without white space at its ends. Raises `DataError` where nothing is left or something is invisible."""
    bare = tag.strip()
    if not bare:
        raise DataError("the tag is empty", where=where, fix="fill it in")
    # Joiners are part of words in many a script.
    if any(not char.isprintable() and char not in "\u200c\u200d" for char in bare):
        raise DataError(f'the tag "{name_invisible(bare)}" holds what cannot be seen', where=where, fix="take it out")
    return bare


def _fold(label: str) -> str:
    folded = unicodedata.normalize("NFC", label).casefold()
    return "".join(char for char in folded if not char.isspace() and unicodedata.category(char) != "Cf")

"""A bilingual dictionary as a mapping, and texts in which it replaces words: code-switching."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lect.data.examples import Example


@dataclass(frozen=True)
class DictionaryCounts:
    """What a dictionary's rows were.

    Args:
        rows: pairs read.
        entries: distinct words or phrases that have a translation.
        several: entries with more than one translation.
        duplicates: rows that say what an earlier one says, by case and punctuation alike.
        identical: entries that have themselves for a translation.
        cyclic: entries that translations of translations lead back to, such as both of ``a b`` and ``b a``.
        wordless: rows of which one side has no letters or digits; they are left out.
    """

    rows: int
    entries: int
    several: int
    duplicates: int
    identical: int
    cyclic: int
    wordless: int

    def __str__(self) -> str:
        named = (
            (self.several, "with several translations"),
            (self.duplicates, "duplicate rows"),
            (self.identical, "translated by themselves"),
            (self.cyclic, "in cycles"),
            (self.wordless, "rows without words"),
        )
        rest = ", ".join(f"{count:,} {what}" for count, what in named if count)
        return f"{self.rows:,} rows, {self.entries:,} entries" + (f" ({rest})" if rest else "")


@dataclass(frozen=True)
class Dictionary:
    """Translations of words and phrases, found again whatever their case.

    Args:
        translations: by the words of an entry, folded and with one space between them; in the order they were read.
        longest: the words of the longest entry.
    """

    translations: Mapping[str, tuple[str, ...]]
    longest: int
    counts: DictionaryCounts

    @staticmethod
    def of(examples: Iterable[Example]) -> Dictionary:
        """The dictionary in rows of a text and its translation; rows without a translation say nothing."""
        found: dict[str, dict[str, str]] = {}
        rows = duplicates = wordless = 0
        for example in examples:
            rows += 1
            entry, translation = fold_words(example.text), example.translation or ""
            folded = fold_words(translation)
            if not entry or not folded:
                wordless += 1
            elif folded in found.setdefault(entry, {}):
                duplicates += 1
            else:
                found[entry][folded] = translation
        counts = DictionaryCounts(
            rows=rows,
            entries=len(found),
            several=sum(len(translations) > 1 for translations in found.values()),
            duplicates=duplicates,
            identical=sum(entry in translations for entry, translations in found.items()),
            cyclic=_cyclic(found),
            wordless=wordless,
        )
        longest = max((entry.count(" ") + 1 for entry in found), default=0)
        return Dictionary({entry: tuple(each.values()) for entry, each in found.items()}, longest, counts)

    def switch(self, text: str, share: float, generator: random.Random) -> str:
        """The text with some of its words in the other language.

        Goes through the text once and takes the longest entry at each place, so what was put in is never looked up
        again, however cyclic the dictionary. One of an entry's translations is drawn, and takes the capitals of what
        it replaces.

        Args:
            share: the probability with which an entry that is found is replaced.
        """
        words = word_places(text)
        pieces: list[str] = []
        done = index = 0
        while index < len(words):
            count, translations = self._entry_at(text, words, index)
            if translations and generator.random() < share:
                start, end = words[index][0], words[index + count - 1][1]
                replacement = generator.choice(translations)
                pieces += [text[done:start], _capitalised(replacement, text[start:end])]
                done = end
            index += count
        return "".join([*pieces, text[done:]])

    def _entry_at(self, text: str, words: list[tuple[int, int]], index: int) -> tuple[int, tuple[str, ...]]:
        """The longest entry that begins with a word: how many words it has, and its translations."""
        reach = 1
        while (
            reach < self.longest
            and index + reach < len(words)
            and text[words[index + reach - 1][1] : words[index + reach][0]].isspace()
        ):
            reach += 1
        for count in range(reach, 0, -1):
            entry = " ".join(text[start:end] for start, end in words[index : index + count]).casefold()
            if entry in self.translations:
                return count, self.translations[entry]
        return 1, ()


def _capitalised(replacement: str, replaced: str) -> str:
    """The replacement with the capitals of what it replaces; its own where that has none."""
    if len(replaced) > 1 and replaced.isupper():
        return replacement.upper()
    if replaced[:1].isupper():
        return replacement[:1].upper() + replacement[1:]
    return replacement


def _cyclic(translations: Mapping[str, Mapping[str, str]]) -> int:
    """The entries in cycles of two or more."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    numbers = {entry: number for number, entry in enumerate(translations)}
    edges = [(numbers[entry], numbers[one]) for entry, each in translations.items() for one in each if one in numbers]
    if not edges:
        return 0
    rows, columns = zip(*edges, strict=True)
    graph = csr_matrix(([1] * len(edges), (rows, columns)), shape=(len(numbers), len(numbers)))
    _, component = connected_components(graph, directed=True, connection="strong")
    sizes = Counter(component.tolist())
    return sum(size for size in sizes.values() if size > 1)


def word_places(text: str) -> list[tuple[int, int]]:
    """Where a text's words stand: their first character, and the one behind their last.

    Letters and digits with the apostrophes and hyphens inside them; what is written without spaces is one word.
    """
    return [match.span() for match in _words().finditer(text)]


def fold_words(text: str) -> str:
    """A text's words, whatever their case, with one space between them."""
    return " ".join(match.group() for match in _words().finditer(text)).casefold()


@lru_cache(maxsize=1)
def _words() -> Any:
    """Words, with the apostrophes and hyphens inside them."""
    import regex

    return regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['’ʼߴߵ-][\p{L}\p{M}\p{N}]+)*")

"""One text with whatever is known of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from lect.errors import DataError


@dataclass(frozen=True, slots=True)
class Span:
    """An answer in a text: the words themselves, and the character that they start at; None where that is not known."""

    text: str
    start: int | None


@dataclass(frozen=True, slots=True)
class Example:
    """One row of data, as every reader gives it and every objective takes it.

    What is not known of a row is None; an empty tuple says that it is known to have none.

    Args:
        text: the text itself, empty only where a reader keeps such rows, so that each has an answer; of a question its
            context, of a choice its premise.
        label: the class, where the row is labelled.
        text_pair: a second text, for tasks over pairs.
        translation: the same content in another language, where the row is parallel.
        language: a BCP 47 tag of `text`.
        key: what the row is about (an entity, a sentence id): rows of one key never fall into two splits.
        stack: the frozen stack that the row goes through, where it, or a recipe's source, has one of its own.
        origin: where the row stands, such as ``data.csv, line 7``; quoted in messages.
        labels: the classes, where a row may have several.
        value: the number that a regression should give.
        words: the words of `text`, in order.
        places: where each word stands in `text`: its first character, and the one behind its last.
        tags: a tag for each word.
        heads: for each word the number of the word it depends on, counted from 1; 0 for the root.
        relations: for each word its relation to that word.
        question: what is asked of `text`.
        answers: the accepted answers; empty where the text has none.
        choices: what there is to choose from; `label` is the number of the right one, from 0.
        negatives: texts that are no match for `text`, where `text_pair` is one.
        extra: what is none of these, by the names that a plugin's reader gives and its head needs (as ``extra.name``):
            values that JSON can hold.
        lines: the line that each word stands in, where its file has a line a word; quoted in messages.
        more: columns of the file that are none of these, where they are kept: a JSON object.
        lacks: fields that the row could have had and has not: each with where that shows and why; quoted in messages.
    """

    text: str
    label: str | None = None
    text_pair: str | None = None
    translation: str | None = None
    language: str | None = None
    key: str | None = None
    origin: str = ""
    stack: str | None = None
    labels: tuple[str, ...] | None = None
    value: float | None = None
    words: tuple[str, ...] | None = None
    places: tuple[tuple[int, int], ...] | None = None
    tags: tuple[str, ...] | None = None
    heads: tuple[int, ...] | None = None
    relations: tuple[str, ...] | None = None
    question: str | None = None
    answers: tuple[Span, ...] | None = None
    choices: tuple[str, ...] | None = None
    negatives: tuple[str, ...] | None = None
    lines: tuple[int, ...] | None = None
    more: str | None = None
    lacks: tuple[tuple[str, str, str], ...] | None = None
    extra: Mapping[str, Any] | None = field(default=None, hash=False)

    def get(self, name: str) -> Any:
        """What is known of a field, by its name: ``label``, or ``extra.name`` for one of a plugin's own."""
        own, dot, inner = name.partition(".")
        if dot and own == "extra":
            return None if self.extra is None else self.extra.get(inner)
        return getattr(self, name)

    def place(self, word: int) -> str:
        """Where a word stands, by its number from 0: its own line where that is known, else where the row stands."""
        if self.lines is None or word >= len(self.lines):
            return self.origin
        return re.sub(r"line \d+$", f"line {self.lines[word]}", self.origin)

    def lacking(self, field: str, fix: str) -> DataError:
        """What to raise where the row lacks a field that is needed.

        Args:
            fix: what to do where nothing is known of why it does.
        """
        for name, where, why in self.lacks or ():
            if name == field:
                return DataError(why, where=where, fix="fill it in")
        return DataError(f"the row has no {field}", where=self.origin, fix=fix)


OF_THE_FILE = ("origin", "lines", "lacks", "more")
"""Fields that say where a row stood, or what else stood there."""
CONTENT = tuple(each.name for each in fields(Example) if each.name not in (*OF_THE_FILE, "stack"))
"""Fields that say what the row is: all but those of its file, and the stack, which is the recipe's."""
TEXTS = tuple(each.name for each in fields(Example) if each.type in ("str", "str | None"))
"""Fields that are single texts."""

NO_WORD = "\ufffd"
"""What stands for a word of nothing but white space, as tweets have them: the sign for an unknown character."""


def join_words(words: Sequence[str], spaces: Sequence[bool]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """A text of words, and where each one stands in it.

    Args:
        spaces: whether a space follows each word.
    """
    pieces, places, length = [], [], 0
    for word, space in zip(words, spaces, strict=True):
        places.append((length, length + len(word)))
        pieces.append(word + (" " if space else ""))
        length += len(pieces[-1])
    return "".join(pieces).rstrip(" "), tuple(places)

"""One text with whatever is known of it."""

from __future__ import annotations

from dataclasses import dataclass


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
        text: the text itself, never empty; of a question its context, of a choice its premise.
        label: the class, where the row is labelled.
        text_pair: a second text, for tasks over pairs.
        translation: the same content in another language, where the row is parallel.
        language: a BCP 47 tag of `text`.
        key: what the row is about (an entity, a sentence id): rows of one key never fall into two splits.
        stack: the frozen stack that the row goes through, where a recipe's source has one of its own.
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

"""One text with whatever is known of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """One row of data, as every reader gives it and every objective takes it.

    Args:
        text: the text itself, never empty.
        label: the class, where the row is labelled.
        text_pair: a second text, for tasks over pairs.
        translation: the same content in another language, where the row is parallel.
        language: a BCP 47 tag of `text`.
        key: what the row is about (an entity, a sentence id): rows of one key never fall into two splits.
        origin: where the row stands, such as ``data.csv, line 7``; quoted in messages.
    """

    text: str
    label: str | None = None
    text_pair: str | None = None
    translation: str | None = None
    language: str | None = None
    key: str | None = None
    origin: str = ""

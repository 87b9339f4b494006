"""Words and their tags in the columns of rows, as `datasets` and JSON lines have them: ``tokens``, ``ner_tags``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lect.data.examples import NO_WORD, join_words
from lect.data.label_forms import checked_tag
from lect.data.tables import Row
from lect.errors import DataError


def words_of(row: Row, words: str, tags: str | None, names: Sequence[str] | None) -> dict[str, Any]:
    """What the columns of words and tags give of an example: text, words, places, and tags.

    Args:
        words: the column of a list of words.
        tags: the column of a list of tags, or of their numbers.
        names: the tags' names by their numbers.

    Raises:
        DataError: a column is absent or no list of texts, or there is not one tag a word.
    """
    given = _strings(row, words, "words")
    found = tuple(word.strip(" ") if word.strip() else NO_WORD for word in given)
    text, places = join_words(found, [True] * len(found))
    values: dict[str, Any] = {"text": text, "words": found, "places": places}
    if tags is None:
        return values
    if not row.has(tags):
        return values | {"lacks": (("tags", row.where, f'the row has no column "{tags}"'),)}
    listed = row.get(tags, "tags")
    if listed is None:
        return values | {"lacks": (("tags", row.where, f'"{tags}" holds null'),)}
    own = tuple(_named(tag, names, tags, row.where) for tag in _list(listed, tags, row.where))
    if len(own) != len(found):
        raise DataError(f"{len(own)} tags for {len(found)} words", where=row.where, fix="give each word one")
    return values | {"tags": own}


def _strings(row: Row, column: str, option: str) -> list[str]:
    found = _list(row.get(column, option), column, row.where)
    for each in found:
        if not isinstance(each, str):
            raise DataError(f'"{column}" holds what is no word', where=row.where, fix="make it a list of strings")
        if "\0" in each:
            raise DataError(f'"{column}" holds a NUL, which no text holds', where=row.where, fix="take it out")
    return found


def _list(value: Any, column: str, where: str) -> list[Any]:
    # Rows of `datasets` may hold arrays.
    listed = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(listed, list):
        raise DataError(f'"{column}" is no list', where=where, fix="name a column of lists")
    return listed


def _named(tag: Any, names: Sequence[str] | None, column: str, where: str) -> str:
    if isinstance(tag, str):
        return checked_tag(tag, where)
    if isinstance(tag, int) and not isinstance(tag, bool):
        if names is None:
            raise DataError(
                f'"{column}" holds numbers of tags',
                where=where,
                fix='name the tags in their order with labels = ["O", "B-PER", …]',
            )
        if 0 <= tag < len(names):
            return names[tag]
        raise DataError(f"tag {tag}, and labels names {len(names)}", where=where, fix="name every tag in labels")
    raise DataError(f'"{column}" holds what is no tag', where=where, fix="make it a list of strings or numbers")

"""Reader of choices: JSON lines as COPA and XCOPA have them, and as Belebele has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from lect import DataError, Example
from lect.data.files import FilesConfig, Row, json_rows

_CHOICE = re.compile(r"(?:choice|mc_answer)(\d+)")
_BELEBELE = {"text": "flores_passage", "label": "correct_answer_num"}
"""Belebele's columns (Bandarkar et al. 2023), whose answers are counted from 1."""


class ChoicesConfig(FilesConfig):
    """Which fields are what.

    Args:
        text: the field of the premise; by default ``premise``, or Belebele's ``flores_passage``.
        question: the field of what is asked of it, such as ``cause`` or ``effect``; left out where absent.
        label: the field of the right choice's number; by default ``label``, or Belebele's ``correct_answer_num``.
        first_label: the number of the first choice; by default 0, but 1 in Belebele's column.
        choices: the field of a list of choices, or the fields of the choices; by default they are ``choice1``,
            ``choice2`` and so on, or Belebele's ``mc_answer1``.
        key: the field of what the row is about.
    """

    text: str | None = None
    question: str = "question"
    label: str | None = None
    first_label: Annotated[int, Field(ge=0)] | None = None
    choices: str | Annotated[list[str], Field(min_length=2)] | None = None
    key: str | None = None


def read_choices(config: ChoicesConfig, folder: Path) -> Iterator[Example]:
    """The rows of such files. Raises `DataError` with the line."""
    count = 0
    for path, where in config.files(folder):
        for row in json_rows(path, where, config.encoding):
            if config.limit is not None and count >= config.limit:
                return
            count += 1
            text, label = _column(row, config.text, "text", "premise"), _column(row, config.label, "label", "label")
            asked = row.values.get(config.question)
            yield Example(
                row.value(text, "text"),
                _right(config, row, label) if row.has(label) else None,
                language=config.language,
                key=row.value(config.key, "key") if config.key is not None else None,
                origin=row.where,
                question=asked if isinstance(asked, str) else None,
                choices=_choices(config, row),
            )


def _column(row: Row, named: str | None, field: str, usual: str) -> str:
    if named is not None:
        return named
    return _BELEBELE[field] if not row.has(usual) and row.has(_BELEBELE[field]) else usual


def _right(config: ChoicesConfig, row: Row, column: str) -> str:
    """The number of the right choice, from 0."""
    first = config.first_label
    if first is None:
        first = 1 if column == _BELEBELE["label"] else 0
    stated = row.value(column, "label").strip()
    if not stated.isdecimal() or int(stated) < first:
        raise DataError(
            f'"{stated}" is no number of a choice from {first} on',
            where=row.where,
            fix="set first_label to the number of the first choice",
        )
    return str(int(stated) - first)


def _choices(config: ChoicesConfig, row: Row) -> tuple[str, ...]:
    if config.choices is None:
        numbered = sorted((int(found[1]), name) for name in row.values if (found := _CHOICE.fullmatch(name)))
        choices = [row.values[name] for _, name in numbered]
    elif isinstance(config.choices, str):
        choices = row.get(config.choices, "choices")
    else:
        choices = [row.value(name, "choices") for name in config.choices]
    if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(each, str) for each in choices):
        raise DataError(
            "there are not two choices", where=row.where, fix="call them choice1 and choice2, or name their list"
        )
    return tuple(choices)

"""Reader of choices: JSON lines as COPA and XCOPA have them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lect import Example
from lect.errors import DataError
from lect_heads.readers.files import FilesConfig, files_of

_CHOICE = re.compile(r"choice(\d+)")


class ChoicesConfig(FilesConfig):
    """Which fields are what.

    Args:
        text: the field of the premise.
        question: the field of what is asked of it, such as ``cause`` or ``effect``; left out where absent.
        label: the field of the right choice's number, from 0.
        choices: the field of a list of choices; by default they are ``choice1``, ``choice2`` and so on.
    """

    text: str = "premise"
    question: str = "question"
    label: str = "label"
    choices: str | None = None


def read_choices(config: ChoicesConfig, folder: Path) -> Iterator[Example]:
    """The rows of such files. Raises `DataError` with the line."""
    from lect.builtins.tables import json_rows

    count = 0
    for path, where in files_of(config, folder):
        for row in json_rows(path, where):
            if config.limit is not None and count >= config.limit:
                return
            count += 1
            text = row.value(config.text, "text")
            asked = row.values.get(config.question)
            label = row.value(config.label, "label") if config.label in row.values else None
            yield Example(
                text,
                label,
                language=config.language,
                origin=row.where,
                question=asked if isinstance(asked, str) else None,
                choices=_choices(config, row.values, row.where),
            )


def _choices(config: ChoicesConfig, values: Any, where: str) -> tuple[str, ...]:
    if config.choices is None:
        numbered = sorted((int(found[1]), name) for name in values if (found := _CHOICE.fullmatch(name)))
        choices = [values[name] for _, name in numbered]
    else:
        choices = values.get(config.choices)
    if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(each, str) for each in choices):
        raise DataError(
            "there are not two choices", where=where, fix="call them choice1 and choice2, or name their list"
        )
    return tuple(choices)

"""The rows of a stream, each with the stack that it goes through, in stretches that are answered together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from lect.data.dataset import Source
from lect.data.examples import Example
from lect.data.paths import STANDARD_INPUT
from lect.errors import StackError, UserError
from lect.host import Host
from lect.host.reading import stream_source
from lect.specs import ReaderSpec

StreamRow: TypeAlias = tuple[Example, str]
"""A row, and its stack as users write it."""

MOST_AT_ONCE = 2048
"""Rows of a stretch: what a kill loses, and what is held in memory."""
_DIGESTED = ("text", "text_pair", "question", "choices", "translation", "language", "key")


@dataclass(frozen=True)
class StackChoice:
    """Which stack a row goes through: its own, else that of its language, else the one of all rows.

    Args:
        default: of all rows; None where there is none.
        by_language: stacks by the canonical tag of a language.
    """

    default: str | None = None
    by_language: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> tuple[str, ...]:
        """The stacks that are named before any row is read."""
        return (*(() if self.default is None else (self.default,)), *self.by_language.values())

    def of(self, example: Example) -> str:
        """The stack of a row. Raises `StackError` where nothing names one."""
        if example.stack is not None:
            return example.stack
        if self.by_language and example.language is not None:
            for tag in (example.language, example.language.partition("-")[0]):
                if tag in self.by_language:
                    return self.by_language[tag]
        if self.default is not None:
            return self.default
        what = f'is of "{example.language}"' if example.language else "names no language and no stack"
        raise StackError(
            f"the row {what}, and no stack is given for it", where=example.origin, fix="add --stack for all other rows"
        )


def read_rows(host: Host, source: Source, choice: StackChoice, where: str) -> Iterator[StreamRow]:
    """The rows of a source as they come, with their stacks. Raises `UserError` at the row that is wrong."""
    for example in stream_source(host, source, Path(), where):
        yield example, choice.of(example)


def with_empty_rows(host: Host, source: Source) -> Source:
    """The source, asked for rows without a text too where its reader can give them and it does not say otherwise."""
    fields = host.spec(ReaderSpec, source.reader).config.model_fields
    if "keep_empty" not in fields or source.config.get("keep_empty") is not None or source.config.get("skip_empty"):
        return source
    return Source(source.reader, {**source.config, "keep_empty": True})


def is_live(source: Source) -> bool:
    """Whether rows may be long in coming: from standard input or a pipe."""
    path = source.config.get("path")
    names = [path] if isinstance(path, str) else path if isinstance(path, list) else []
    return any(name == STANDARD_INPUT or Path(name).expanduser().is_fifo() for name in names)


def in_stretches(rows: Iterator[StreamRow], most: int = MOST_AT_ONCE, first: int = 64) -> Iterator[list[StreamRow]]:
    """Rows in stretches, the first one short so that its answers are there soon, each later one twice as long.

    Raises:
        UserError: the reader's, after the rows before it were given.
    """
    count = min(first, most)
    while True:
        stretch: list[StreamRow] = []
        try:
            for row in islice(rows, count):
                stretch.append(row)
        except UserError:
            if stretch:
                yield stretch
            raise
        if not stretch:
            return
        yield stretch
        count = min(2 * count, most)


def why_empty(example: Example) -> str | None:
    """Why there is nothing to answer for a row; None where there is a text."""
    if not example.text.strip():
        return "the text is empty"
    if example.text_pair is not None and not example.text_pair.strip():
        return "the second text is empty"
    return None


class RowsDigest:
    """SHA-256 over rows in their order: what they say, their keys and their stacks, not where they stand."""

    def __init__(self) -> None:
        self._state, self.rows = hashlib.sha256(), 0

    def update(self, rows: Sequence[StreamRow]) -> None:
        """Take further rows in."""
        for example, stack in rows:
            said = [stack, *(getattr(example, name) for name in _DIGESTED)]
            self._state.update(json.dumps(said).encode())
        self.rows += len(rows)

    def skip(self, rows: Iterator[StreamRow], count: int, sha256: str, where: str) -> None:
        """Go over the rows that were answered before.

        Args:
            where: how messages call the source.

        Raises:
            UserError: they are not those.
        """
        while self.rows < count:
            some = list(islice(rows, min(4096, count - self.rows)))
            if not some:
                break
            self.update(some)
        if self.rows < count or self.sha256 != sha256:
            raise UserError(
                f"the first {count:,} rows are not those that were answered before",
                where=where,
                fix="give the same data, or take the unfinished answers away to begin anew",
            )

    @property
    def sha256(self) -> str:
        """In hexadecimal digits, over all rows until now."""
        return self._state.hexdigest()

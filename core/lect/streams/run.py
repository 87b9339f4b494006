"""The run of a stream: rows go to what answers them and come back in order, and each stretch is written at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from lect.composition.windows import describe_cut
from lect.counts import number_of
from lect.errors import UserError
from lect.selection.donors import is_automatic
from lect.storage.library import Library
from lect.streams.rows import RowsDigest, StackChoice, StreamRow
from lect.streams.worker import Answered

Work = Callable[[Iterator[list[StreamRow]]], Generator[Answered, None, None]]
"""Answers stretches of rows, in their order; it takes the next ones when it likes."""


@dataclass
class Summary:
    """What was met on the way.

    Args:
        rows: that were answered.
        empty: of them, those without a text.
        cut: texts that are longer than their stacks read.
    """

    rows: int = 0
    empty: int = 0
    cut: int = 0
    first_cut: str = ""
    limit: int = 0

    def add(self, answered: Answered) -> None:
        """Count a stretch."""
        self.rows += len(answered.answers)
        self.empty += answered.empty
        if answered.cut and not self.cut:
            self.first_cut = answered.cut[0]
        self.cut += len(answered.cut)
        self.limit = max(self.limit, answered.limit)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know of it, a line each."""
        cut = describe_cut(self.cut, self.first_cut, self.rows, self.limit) if self.cut else None
        what = "has no text: its answer is empty" if self.empty == 1 else "have no text: their answers are empty"
        empty = f"{number_of(self.empty, 'row')} {what}" if self.empty else None
        return tuple(line for line in (cut, empty) if line)


def answer_rows(
    stretches: Iterable[list[StreamRow]],
    work: Work,
    write: Callable[[Answered], None],
    digest: RowsDigest,
    summary: Summary,
) -> None:
    """Answer rows and write what they are answered with, in order.

    Args:
        write: called with each stretch that was answered, after its rows were taken into the digest.
        summary: counts them.

    Raises:
        UserError: a row is wrong; all rows before it are answered and written by then.
    """
    waiting: deque[list[StreamRow]] = deque()
    failed: list[UserError] = []

    def handed() -> Iterator[list[StreamRow]]:
        try:
            for stretch in stretches:
                waiting.append(stretch)
                yield stretch
        except UserError as error:
            # What was read before it is answered first, wherever that is done.
            failed.append(error)

    with closing(work(handed())) as all_answered:
        for answered in all_answered:
            digest.update(waiting.popleft()[: len(answered.answers)])
            if answered.answers:
                summary.add(answered)
                write(answered)
            if answered.error is not None:
                raise answered.error
    if failed:
        raise failed[0]


def components_of(choice: StackChoice, library: Library) -> dict[str, Any]:
    """Hashes of the components that stacks name before any row is read, by how they are named.

    Raises:
        UserError: a stack does not parse, or a component is not there.
    """
    from lect.composition.stack import parse_stack
    from lect.files import hash_of
    from lect.storage.manifest import FILE
    from lect.storage.store import weights_hash

    found: dict[str, Any] = {}
    for text in choice.known:
        for atom in parse_stack(text).atoms:
            if str(atom) not in found and not is_automatic(str(atom)):
                folder = library.find(atom)
                found[str(atom)] = [hash_of(folder / FILE), weights_hash(folder)]
    return found

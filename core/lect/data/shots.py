"""Few labels: so many rows of each label and no more, drawn by a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lect.data.read import Dataset, digest
from lect.errors import DataError


@dataclass(frozen=True)
class Shots:
    """What was drawn of a source.

    Args:
        rows: that it had.
        drawn: by label, the rows that were drawn of it: fewer than asked for where it has no more.
        asked: rows a label.
    """

    rows: int
    drawn: dict[str, int]
    asked: int

    def __str__(self) -> str:
        short = [f"{count} of {label}" for label, count in sorted(self.drawn.items()) if count < self.asked]
        fewer = f" (only {', '.join(short)})" if short else ""
        total = sum(self.drawn.values())
        return f"{total:,} of {self.rows:,} rows drawn, {self.asked} of each of {len(self.drawn)} labels{fewer}"


def draw_shots(datasets: Sequence[Dataset], shots: int, seed: int, where: str) -> tuple[Dataset, ...]:
    """Of each source so many rows of each label, in the order in which they stood.

    With one seed more shots are those of fewer and others.

    Raises:
        DataError: a row has no label.
    """
    return tuple(_draw(data, shots, f"{seed}/shots/{index}", where) for index, data in enumerate(datasets))


def _draw(data: Dataset, shots: int, seed: str, where: str) -> Dataset:
    places: dict[str, list[int]] = {}
    for index, example in enumerate(data.examples):
        if example.label is None:
            raise DataError(
                "shots are drawn by label, and the row has none",
                where=example.origin or where,
                fix='name its column with label = "…", or leave data.shots out',
            )
        places.setdefault(example.label, []).append(index)
    chosen: list[int] = []
    drawn: dict[str, int] = {}
    for label, own in places.items():
        # A label's draw does not depend on what other labels there are.
        random.Random(f"{seed}/{label}").shuffle(own)
        chosen += own[:shots]
        drawn[label] = len(own[:shots])
    examples = tuple(data.examples[index] for index in sorted(chosen))
    found = Shots(len(data.examples), drawn, shots)
    return replace(data, examples=examples, sha256=digest(examples), shots=found)

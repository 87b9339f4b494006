"""Few labels: so many rows of each label and no more, drawn by a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from lect.data.dataset import Dataset, Shots, digest
from lect.errors import DataError


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

"""Labels that have many more rows than others: whether there are such, and rows repeated until all have as many."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lect.counts import number_of
from lect.data.dataset import Dataset
from lect.data.examples import Example
from lect.errors import DataError

_FAR_APART = 10
"""How many times as many rows the commonest label has as the rarest, where that is said."""


@dataclass(frozen=True)
class Imbalance:
    """How unevenly rows are spread over labels."""

    commonest: str
    most: int
    rarest: str
    least: int

    def __str__(self) -> str:
        return (
            f'"{self.commonest}" has {number_of(self.most, "row")} and "{self.rarest}" {number_of(self.least, "row")}: '
            "macro F1 says more of such data than accuracy"
        )


def imbalance_of(examples: Iterable[Example]) -> Imbalance | None:
    """The commonest and the rarest label, where they are far apart; None where they are not, or rows have no label."""
    counts = Counter(example.label for example in examples)
    if len(counts) < 2 or None in counts:
        return None
    (commonest, most), *_, (rarest, least) = counts.most_common()
    return Imbalance(str(commonest), most, str(rarest), least) if most >= _FAR_APART * least else None


def balance_rows(datasets: Sequence[Dataset], seed: int, where: str) -> tuple[Dataset, ...]:
    """The sources with rows of the rarer labels repeated, until each label has as many as the commonest in all of them.

    Every row is there as often as every other of its label, or once more; which are is drawn by the seed.

    Raises:
        DataError: a row has no label.
    """
    places: dict[str, list[tuple[int, int]]] = {}
    for number, data in enumerate(datasets):
        for index, example in enumerate(data.examples):
            if example.label is None:
                raise DataError(
                    "rows are balanced by label, and the row has none",
                    where=example.origin or where,
                    fix='name its column with label = "…", or leave data.sampling out',
                )
            places.setdefault(example.label, []).append((number, index))
    most = max(len(own) for own in places.values())
    repeated: list[Counter[int]] = [Counter() for _ in datasets]
    for label, own in places.items():
        random.Random(f"{seed}/balance/{label}").shuffle(own)
        for copy in range(most):
            number, index = own[copy % len(own)]
            repeated[number][index] += 1
    return tuple(_repeated(data, counts) for data, counts in zip(datasets, repeated, strict=True))


def _repeated(data: Dataset, counts: Counter[int]) -> Dataset:
    examples = tuple(data.examples[index] for index in range(len(data.examples)) for _ in range(counts[index]))
    # The data is what it was: how often its rows are seen is a matter of the recipe, as epochs are.
    return replace(data, examples=examples)

"""Few labels: so many rows of each, drawn by a seed."""

from __future__ import annotations

import pytest

from lect import Example
from lect.data.dataset import Dataset, Source, digest
from lect.data.shots import draw_shots
from lect.errors import DataError


def dataset(*labels):
    rows = tuple(Example(f"text {number}", label=label) for number, label in enumerate(labels))
    return Dataset(Source("csv", {}), rows, digest(rows))


MANY = dataset(*("abc"[number % 3] for number in range(60)), "d")


def test_so_many_of_each_label_in_their_order():
    (drawn,) = draw_shots([MANY], 4, 0, "here")
    labels = [row.label for row in drawn.examples]
    assert {label: labels.count(label) for label in "abcd"} == {"a": 4, "b": 4, "c": 4, "d": 1}
    numbers = [int(row.text.split()[1]) for row in drawn.examples]
    assert numbers == sorted(numbers)
    assert numbers != list(range(12))
    assert str(drawn.shots) == "13 of 61 rows drawn, 4 of each of 4 labels (only 1 of d)"
    assert drawn.sha256 == digest(drawn.examples) != MANY.sha256


def test_the_seed_decides_and_more_shots_hold_fewer():
    def rows(shots, seed):
        return set(draw_shots([MANY], shots, seed, "here")[0].examples)

    assert rows(4, 0) == rows(4, 0) != rows(4, 1)
    assert rows(4, 0) < rows(8, 0)
    first, second = draw_shots([MANY, MANY], 4, 0, "here")
    assert len(first.examples) == len(second.examples) == 13
    assert first.examples != second.examples


def test_rows_without_labels_are_refused():
    with pytest.raises(DataError, match=r"here: shots are drawn by label, and the row has none"):
        draw_shots([dataset("a", None)], 1, 0, "here")

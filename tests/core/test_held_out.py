"""Which rows are held out: equal ones together, and of a language's corpus whole blocks."""

from __future__ import annotations

import pytest

from lect.data.dataset import Dataset, Source
from lect.data.examples import Example
from lect.data.held_out import hold_out
from lect.errors import DataError


def dataset(texts, key=None):
    rows = tuple(
        Example(text=text, origin=f"line {number}", key=key and f"{key}:{number}")
        for number, text in enumerate(texts, 1)
    )
    return Dataset(Source("text", {}), rows, sha256="0" * 64)


def places(rows):
    return sorted(int(row.text.split()[1]) for data in rows for row in data.examples)


def test_blocks_of_neighbours_are_held_out_of_a_corpus():
    corpus = dataset([f"sentence {number}" for number in range(2000)])
    train, held = hold_out((corpus,), 0.1, 0, blocks=True)
    out = places(held)
    assert len(out) == 200 and sorted(out + places(train)) == list(range(2000))
    starts = [place for place in out if place - 1 not in out]
    assert 1 <= len(starts) <= 4 and all(place % 50 == 0 for place in starts)
    other, _ = hold_out((corpus,), 0.1, 1, blocks=True)
    assert places(other) != places(train)
    assert len(places(hold_out((dataset([f"s {n}" for n in range(80)]),), 0.1, 0, blocks=True)[1])) == 8


@pytest.mark.parametrize("blocks", [False, True])
def test_equal_rows_stay_together_over_all_sources(blocks):
    texts = [f"sentence {number % 90}" for number in range(400)]
    sources = (dataset(texts), dataset(texts[::-1]), dataset([f"sentence {number}" for number in range(50)]))
    train, held = hold_out(sources, 0.1, 0, blocks=blocks)
    assert places(held) and places(train)
    assert not set(places(held)) & set(places(train))


def test_lines_that_translate_each_other_are_held_out_in_both_languages():
    first, second = dataset([f"a {n}" for n in range(300)], key="x"), dataset([f"b {n}" for n in range(200)], key="x")
    train, held = hold_out((first, second), 0.1, 3, blocks=True)
    keys = [{row.key for data in part for row in data.examples} for part in (train, held)]
    assert keys[1] and not keys[0] & keys[1]


def test_too_few_rows_are_one_line():
    with pytest.raises(DataError, match="too few rows to split"):
        hold_out((dataset(["one 1"]),), 0.1, 0, blocks=True)

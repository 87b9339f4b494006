"""Many examples are held in a file: as the same sequence, in no memory to speak of, and without leaving anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from disks import small_disk
from hypothesis import given
from hypothesis import strategies as st

from lect import Example
from lect.data.examples import Span
from lect.data.stored import Texts, hold, joined
from lect.errors import UserError

__all__ = ["small_disk"]

# Readers decode files, so that no lone surrogate comes from one.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
WORDS = st.none() | st.lists(TEXT, max_size=3).map(tuple)
NUMBERS = st.integers(0, 9)
EXAMPLES = st.lists(
    st.builds(
        Example,
        text=TEXT,
        label=st.none() | TEXT,
        text_pair=st.none() | TEXT,
        key=st.none() | TEXT,
        value=st.none() | st.floats(allow_nan=False),
        words=WORDS,
        places=st.none() | st.lists(st.tuples(NUMBERS, NUMBERS), max_size=3).map(tuple),
        heads=st.none() | st.lists(NUMBERS, max_size=3).map(tuple),
        question=st.none() | TEXT,
        answers=st.none() | st.lists(st.builds(Span, TEXT, NUMBERS), max_size=3).map(tuple),
    ),
    max_size=12,
)


@given(examples=EXAMPLES, in_memory=st.integers(0, 13))
def test_what_is_held_is_what_was_given(examples, in_memory):
    held = hold(iter(examples), in_memory)
    assert isinstance(held, tuple) == (len(examples) <= in_memory)
    assert len(held) == len(examples)
    assert list(held) == examples
    assert [held[row] for row in range(-len(examples), len(examples))] == examples * 2
    assert list(held[1:5:2]) == examples[1:5:2]
    with pytest.raises(IndexError):
        held[len(examples)]
    assert list(Texts(held, "text_pair")) == Texts(held, "text_pair")[:] == [one.text_pair or "" for one in examples]


@given(several=st.lists(EXAMPLES, min_size=1, max_size=4))
def test_several_are_one_after_the_other(several):
    whole = [example for one in several for example in one]
    for in_memory in (0, 100):
        found = joined([hold(one, in_memory) for one in several])
        assert list(found) == [found[row] for row in range(len(whole))] == list(found[:]) == whole


def test_long_ones_cross_batches_and_the_file_is_gone(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path))
    examples = [Example(f"text {row}", origin=f"a, line {row}") for row in range(9000)]
    held = hold(examples, 10)
    assert [held[row] for row in (0, 4095, 4096, 8999, -1)] == [examples[row] for row in (0, 4095, 4096, 8999, -1)]
    assert list(held) == examples
    assert list(Texts(held, "text")) == [example.text for example in examples]
    assert list(Texts(held, "translation")) == [""] * 9000
    assert [path for path in Path(tmp_path).rglob("*") if path.is_file()] == []


@pytest.mark.processes
def test_a_full_disk_under_the_cache_is_named(small_disk, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(small_disk.folder / "cache"))
    rows = (Example(f"{number} " * 200) for number in range(20_000))
    with pytest.raises(UserError, match=f"{small_disk.folder}/cache/examples: the disk is full"):
        hold(rows, rows_in_memory=10)
    assert not list((small_disk.folder / "cache/examples").iterdir())

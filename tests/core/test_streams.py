"""Rows in stretches: none waits for what may never come, and what comes before an error is given."""

from __future__ import annotations

import queue
from itertools import chain, islice

import pytest

from lect.data.examples import Example
from lect.errors import DataError, StackError
from lect.streams.ahead import as_they_come
from lect.streams.rows import RowsDigest, StackChoice, in_stretches


def rows(count):
    return iter([(Example(f"text {number}", origin=f"row {number}"), "lang:a") for number in range(count)])


def failing(count):
    yield from rows(count)
    raise DataError("no text", where="row 7")


@pytest.mark.parametrize("cut", [in_stretches, as_they_come])
def test_stretches_hold_every_row_once_in_order_and_what_precedes_an_error(cut):
    found = list(cut(rows(300), 40))
    assert list(chain.from_iterable(found)) == list(rows(300)) and max(map(len, found)) <= 40
    given = []
    with pytest.raises(DataError, match="row 7: no text"):
        for stretch in cut(failing(70), 40):
            given += stretch
    assert given == list(rows(70))


def test_a_row_that_comes_alone_is_given_before_the_next_is_there():
    coming: queue.Queue[str] = queue.Queue()
    stretches = as_they_come(iter(coming.get, "end"), 40, patience=0.01)
    for text in ("one", "two"):
        coming.put(text)
        assert next(stretches) == [text]
    coming.put("end")
    assert list(stretches) == []


def test_the_first_stretch_is_short():
    assert [len(stretch) for stretch in islice(in_stretches(rows(10_000)), 3)] == [64, 128, 256]


def test_a_row_goes_through_its_own_stack_or_that_of_its_language():
    choice = StackChoice("lang:x", {"jv": "lang:jav", "zh-Hant": "lang:yue"})
    ways = [
        (Example("a", stack="lang:own", language="jv"), "lang:own"),
        (Example("a", language="jv"), "lang:jav"),
        (Example("a", language="jv-Java"), "lang:jav"),
        (Example("a", language="zh-Hant"), "lang:yue"),
        (Example("a", language="zh"), "lang:x"),
        (Example("a"), "lang:x"),
    ]
    assert [choice.of(example) for example, _ in ways] == [stack for _, stack in ways]
    with pytest.raises(StackError, match='row 3: the row is of "zh", and no stack is given for it'):
        StackChoice(None, {"jv": "lang:jav"}).of(Example("a", language="zh", origin="row 3"))


def test_a_digest_is_of_what_rows_say_and_not_of_where_they_stand():
    def of(*given):
        digest = RowsDigest()
        digest.update([*given])
        return digest.sha256

    assert of((Example("a", origin="x"), "lang:a")) == of((Example("a", origin="y"), "lang:a"))
    others = [
        (Example("b"), "lang:a"),
        (Example("a"), "lang:b"),
        (Example("a", key="k"), "lang:a"),
        (Example("a", text_pair="b"), "lang:a"),
    ]
    assert len({of(each) for each in others} | {of((Example("a"), "lang:a"))}) == 5

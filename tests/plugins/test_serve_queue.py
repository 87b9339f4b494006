"""The queue of the server: bounded, and no client's rows stand in the way of another's."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi")

from lect_serve.fair_queue import FairQueue, FullError


@dataclass(eq=False)
class Row:
    client: str
    tokens: int
    number: int = 0


ROWS = st.lists(st.builds(Row, st.sampled_from("abc"), st.integers(1, 50)), max_size=60)


@given(ROWS, st.integers(1, 80))
def test_every_row_is_given_out_once_and_those_of_a_client_in_order(rows, budget):
    queue = FairQueue(1000, 1000)
    for number, row in enumerate(rows):
        row.number = number
        queue.put([row])
    taken = []
    while batch := queue.take(budget):
        assert sum(row.tokens for row in batch) <= budget or len(batch) == 1
        taken += batch
    assert sorted(row.number for row in taken) == list(range(len(rows)))
    for client in "abc":
        own = [row.number for row in taken if row.client == client]
        assert own == sorted(own)
    assert (queue.rows, queue.tokens) == (0, 0)


def test_a_client_with_little_is_not_held_up_by_one_with_much():
    queue = FairQueue(1000, 1000)
    queue.put([Row("much", 10) for _ in range(100)])
    assert {row.client for row in queue.take(100)} == {"much"}
    queue.put([Row("little", 10) for _ in range(3)])
    batch = [row.client for row in queue.take(80)]
    assert batch.count("little") == 3


def test_shares_are_of_tokens_and_not_of_rows():
    queue = FairQueue(1000, 1000)
    queue.put([Row("long", 50) for _ in range(50)])
    queue.put([Row("short", 5) for _ in range(400)])
    batch = queue.take(1000)
    tokens = {client: sum(row.tokens for row in batch if row.client == client) for client in ("long", "short")}
    assert abs(tokens["long"] - tokens["short"]) <= 50


def test_it_is_bounded_as_a_whole_and_for_each_client_and_takes_all_or_none():
    queue = FairQueue(10, 6)
    with pytest.raises(FullError):
        queue.put([Row("a", 1) for _ in range(7)])
    assert queue.rows == 0
    queue.put([Row("a", 1) for _ in range(6)])
    with pytest.raises(FullError):
        queue.put([Row("a", 1)])
    assert queue.room_for("b") == 4
    queue.put([Row("b", 1) for _ in range(4)])
    assert queue.room_for("c") == 0


@given(ROWS, st.sets(st.integers(0, 59)))
def test_what_is_removed_is_never_given_out(rows, unwanted):
    queue = FairQueue(1000, 1000)
    for row in rows:
        queue.put([row])
    gone = [rows[number] for number in unwanted if number < len(rows)]
    for client in "abc":
        queue.remove(client, {id(row) for row in gone})
    taken = queue.take(10**6)
    assert {id(row) for row in taken} == {id(row) for row in rows} - {id(row) for row in gone}
    assert (queue.rows, queue.tokens) == (0, 0)

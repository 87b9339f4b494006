"""Which rows a run with several learners sees."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lect.training.sampling import budget_steps, draw_counts, mixed_steps, probabilities, single_steps

SIZES = st.lists(st.integers(1, 60), min_size=2, max_size=5)


def lengths_of(sizes, seed=0):
    generator = random.Random(seed)
    return [[generator.randint(3, 80) for _ in range(size)] for size in sizes]


def test_probabilities_follow_the_temperature():
    sizes = [900, 90, 10]
    assert probabilities(sizes, [1, 1, 1], 1.0) == pytest.approx([0.9, 0.09, 0.01])
    # α = 1/T: the square roots 30, 9.487 and 3.162.
    assert probabilities(sizes, [1, 1, 1], 2.0) == pytest.approx([0.70344, 0.22245, 0.07415], abs=1e-4)
    assert probabilities(sizes, [1, 1, 1], 1e9) == pytest.approx([1 / 3] * 3)
    assert probabilities(sizes, [1, 10, 90], 1.0) == pytest.approx([1 / 3] * 3)
    assert probabilities([10**9, 1], [1, 1], 1e-3) == pytest.approx([1, 0])


@given(
    shares=st.lists(st.floats(0.01, 1), min_size=1, max_size=6), batch_size=st.integers(1, 64), seed=st.integers(0, 99)
)
def test_counts_fill_the_batch_and_keep_to_their_expectation(shares, batch_size, seed):
    shares = [share / sum(shares) for share in shares]
    counts = draw_counts(shares, batch_size, random.Random(seed))
    assert sum(counts) == batch_size
    for count, share in zip(counts, shares, strict=True):
        assert abs(count - batch_size * share) < 1 + 1e-6


def test_what_is_drawn_has_the_probabilities():
    lengths = lengths_of([900, 90, 10])
    shares = probabilities([900, 90, 10], [1, 1, 1], 2.0)
    drawn, passes = Counter(), 3000
    for step in itertools.islice(mixed_steps(lengths, shares, 3, 1, seed=0), passes):
        for learner, rows in enumerate(step.passes[0]):
            drawn[learner] += len(rows)
    expected = [3 * passes * share for share in shares]
    chi_square = sum((drawn[learner] - count) ** 2 / count for learner, count in enumerate(expected))
    # Two degrees of freedom: 13.8 is exceeded once in a thousand times.
    assert chi_square < 13.8
    assert drawn[2] > 500  # and not the 90 of T = 1


@given(
    sizes=SIZES,
    batch_size=st.integers(1, 24),
    accumulation=st.integers(1, 3),
    temperature=st.floats(0.5, 10),
    seed=st.integers(0, 9),
)
def test_no_row_comes_again_before_all_have_come(sizes, batch_size, accumulation, temperature, seed):
    shares = probabilities(sizes, [1.0] * len(sizes), temperature)
    arguments = (lengths_of(sizes), shares, batch_size, accumulation, seed)
    steps = list(itertools.islice(mixed_steps(*arguments), 50))
    assert all(len(step.passes) == accumulation for step in steps)
    assert all(sum(map(len, rows)) == batch_size for step in steps for rows in step.passes)
    for learner, size in enumerate(sizes):
        seen = [row for step in steps for rows in step.passes for row in rows[learner]]
        for first in range(0, len(seen), size):
            epoch = seen[first : first + size]
            assert len(set(epoch)) == len(epoch)
            assert len(epoch) < size or sorted(epoch) == list(range(size))
    # A run that goes on from step 20 sees what it would have seen.
    assert list(itertools.islice(mixed_steps(*arguments), 20, 50)) == steps[20:]


def test_an_epoch_is_as_many_rows_as_all_have():
    steps = list(itertools.islice(mixed_steps(lengths_of([30, 20]), [0.6, 0.4], 8, 2, 0), 12))
    assert [step.ends_epoch for step in steps] == [False, False, False, True] * 3
    seeds = [list(itertools.islice(mixed_steps(lengths_of([30, 20]), [0.6, 0.4], 8, 2, seed), 4)) for seed in (0, 1)]
    assert seeds[0] == steps[:4] != seeds[1]


def test_rows_of_like_length_come_in_one_pass_whosever_they_are():
    lengths = lengths_of([600, 600, 600, 600])
    padded = tokens = 0
    for step in itertools.islice(mixed_steps(lengths, [0.25] * 4, 32, 1, 0), 75):
        for rows in step.passes:
            own = [lengths[learner][index] for learner, indices in enumerate(rows) for index in indices]
            padded += max(own) * len(own)
            tokens += sum(own)
    assert padded < 1.15 * tokens


def test_a_single_learner_sees_every_row_once_an_epoch_and_short_passes_at_its_end():
    steps = list(itertools.islice(single_steps(lengths_of([10])[0], 4, 2, 0), 4))
    assert [step.ends_epoch for step in steps] == [False, True, False, True]
    for first in (0, 2):
        rows = [row for step in steps[first : first + 2] for passed in step.passes for row in passed[0]]
        assert sorted(rows) == list(range(10))


@given(
    lengths=st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=40), min_size=1, max_size=4),
    tokens=st.integers(1, 200),
    accumulation=st.integers(1, 3),
    seed=st.integers(0, 5),
)
def test_passes_keep_to_their_budget_and_an_epoch_has_as_many_rows_as_there_are(lengths, tokens, accumulation, seed):
    shares = probabilities([len(own) for own in lengths], [1.0] * len(lengths), 2.0)
    arguments = (lengths, shares, tokens, accumulation, seed)
    epochs, steps, seen = 0, [], [[] for _ in lengths]
    rows = 0
    for step in budget_steps(*arguments):
        steps.append(step)
        assert 1 <= len(step.passes) <= accumulation
        for columns in step.passes:
            found = [lengths[learner][row] for learner, own in enumerate(columns) for row in own]
            rows += len(found)
            assert len(found) == 1 or max(found) * len(found) <= tokens
            for learner, own in enumerate(columns):
                seen[learner] += own
        if step.ends_epoch:
            assert rows == sum(map(len, lengths))
            epochs, rows = epochs + 1, 0
            if epochs == 2:
                break
    if len(lengths) == 1:
        assert sorted(seen[0]) == sorted([*range(len(lengths[0]))] * 2)
    # Every process derives the same order.
    assert list(itertools.islice(budget_steps(*arguments), len(steps))) == steps


def test_rows_of_like_length_share_a_budget_and_the_order_is_the_seeds():
    lengths = [[1 + row % 100 for row in range(2000)]]
    orders = []
    for seed in (0, 0, 1):
        steps, filled = [], []
        for step in budget_steps(lengths, [1.0], 1000, 1, seed):
            rows = [lengths[0][row] for row in step.passes[0][0]]
            filled.append(sum(rows) / (max(rows) * len(rows)))
            steps.append(step.passes)
            if step.ends_epoch:
                break
        # Next to no padding, and hardly a pass that is not full.
        assert sum(filled) / len(filled) > 0.95
        assert len(steps) < 1.15 * sum(lengths[0]) / 1000
        orders.append(steps)
    assert orders[0] == orders[1] != orders[2]

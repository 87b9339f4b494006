"""The loop's small parts: order, schedule, precision."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lect.errors import RecipeError
from lect.training.optimisation import choose_precision, learning_rate_factor
from lect.training.sampling import epoch_batches

pytestmark = pytest.mark.models

SCHEDULES = ("linear", "cosine", "constant", "one-cycle")


@given(
    lengths=st.lists(st.integers(1, 500), max_size=300),
    batch_size=st.integers(1, 40),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 5),
)
def test_every_row_is_in_exactly_one_batch_and_the_order_is_reproducible(lengths, batch_size, seed, epoch):
    batches = epoch_batches(lengths, batch_size, seed, epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    assert batches == epoch_batches(lengths, batch_size, seed, epoch)


def test_batches_hold_rows_of_like_length_and_epochs_differ():
    lengths = [index % 97 + 3 for index in range(512)]
    batches = epoch_batches(lengths, 16, 0, 0)
    padded = sum(max(lengths[row] for row in batch) * len(batch) for batch in batches)
    assert padded < 1.1 * sum(lengths)
    assert batches != epoch_batches(lengths, 16, 0, 1)
    assert batches != epoch_batches(lengths, 16, 1, 0)


@given(st.sampled_from(SCHEDULES), st.integers(1, 2000), st.floats(0, 1), st.data())
def test_the_learning_rate_stays_between_nothing_and_its_peak(schedule, total, warmup, data):
    step = data.draw(st.integers(0, total - 1))
    assert 0 <= learning_rate_factor(step, total, schedule, warmup) <= 1 + 1e-9


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_learning_rate_rises_to_its_peak_and_falls_unless_constant(schedule):
    factors = [learning_rate_factor(step, 100, schedule, 0.2) for step in range(100)]
    assert factors[0] < 0.1
    assert max(factors) > 0.98
    assert all(first <= second for first, second in itertools.pairwise(factors[:20]))
    assert (factors[-1] < 0.05) == (schedule != "constant")


def test_precision_is_what_was_asked_for_with_its_reason():
    device = torch.device("cpu")
    assert choose_precision("float32", device).mixed == "no"
    assert choose_precision("bfloat16", device).mixed == "bf16"
    assert "CPU" in choose_precision("auto", device).reason or "cpu" in choose_precision("auto", device).reason
    with pytest.raises(RecipeError, match="float16 cannot be trained on a CPU"):
        choose_precision("float16", device)

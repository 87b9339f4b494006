"""Bootstrap intervals: all resamples at once give what resampling row by row gives."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lect.evaluation.bootstrap import bootstrap, paired_bootstrap
from lect.evaluation.counted import counted
from lect.evaluation.metrics import classification_scores, retrieval_scores

LABELS = ("a", "b", "c")


def noisy(truth, right, seed):
    generator = np.random.default_rng(seed)
    return [true if generator.random() < right else str(generator.choice([*LABELS, "d"])) for true in truth]


def plain(truth, predicted):
    """A metric that `counted` does not know, so that every resample is scored row by row."""
    pairs = list(zip(truth, predicted, strict=True))
    labels = sorted(set(truth))
    f1 = {label: 2 * pairs.count((label, label)) / (truth.count(label) + predicted.count(label)) for label in labels}
    return {
        "accuracy": sum(true == answer for true, answer in pairs) / len(pairs),
        "macro_f1": sum(f1.values()) / len(labels),
        **{f"f1[{label}]": value for label, value in f1.items()},
    }


@pytest.fixture
def truth():
    return [str(label) for label in np.random.default_rng(0).choice(LABELS, p=[0.6, 0.3, 0.1], size=80)]


@given(
    rows=st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from((*LABELS, "d"))), min_size=1, max_size=12),
    data=st.data(),
)
def test_a_resample_scores_alike_by_rows_and_by_counts(rows, data):
    drawn = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=len(rows), max_size=len(rows)))
    truth, predicted = zip(*rows, strict=True)
    expected = classification_scores([truth[i] for i in drawn], [predicted[i] for i in drawn])
    counts = np.array([[drawn.count(i) for i in range(len(rows))]], dtype=float)
    scores = counted(classification_scores).scores(truth, predicted, counts)
    found = {name: value[0] for name, value in scores.items() if not np.isnan(value[0])}
    assert found == pytest.approx(expected)


@given(drawn=st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_a_resample_of_ranks_scores_alike_by_rows_and_by_counts(drawn):
    ranks = [1, 2, 5, 11, 300]
    counts = np.array([[drawn.count(i) for i in range(5)]], dtype=float)
    scores = counted(retrieval_scores).scores([None] * 5, ranks, counts)
    expected = retrieval_scores(drawn, [ranks[i] for i in drawn])
    assert {name: value[0] for name, value in scores.items()} == pytest.approx(expected)


def test_both_ways_give_like_intervals(truth):
    predicted = noisy(truth, 0.7, seed=1)
    fast = bootstrap(classification_scores, truth, predicted, resamples=4000)
    slow = bootstrap(plain, truth, predicted, resamples=4000)
    assert set(slow) == {"accuracy", "macro_f1", "f1[a]", "f1[b]", "f1[c]"}
    for name, interval in slow.items():
        assert fast[name].value == pytest.approx(interval.value)
        width = interval.high - interval.low
        assert (fast[name].low, fast[name].high) == pytest.approx((interval.low, interval.high), abs=0.1 * width)


def test_both_ways_give_like_gains(truth):
    first, second = noisy(truth, 0.7, seed=1), noisy(truth, 0.6, seed=2)
    fast = paired_bootstrap(classification_scores, truth, first, second, resamples=4000)["macro_f1"]
    slow = paired_bootstrap(plain, truth, first, second, resamples=4000)["macro_f1"]
    assert fast.value == pytest.approx(slow.value)
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), abs=0.1 * (slow.high - slow.low))
    assert fast.share_not_positive == pytest.approx(slow.share_not_positive, abs=0.03)


def test_the_interval_of_accuracy_is_that_of_theory():
    truth = ["a"] * 1000
    found = bootstrap(classification_scores, truth, ["a"] * 700 + ["b"] * 300, resamples=4000)["accuracy"]
    deviation = (0.7 * 0.3 / 1000) ** 0.5
    assert found.value == 0.7
    assert (found.low, found.high) == pytest.approx((0.7 - 1.96 * deviation, 0.7 + 1.96 * deviation), abs=0.003)


def test_pairing_tells_apart_what_unpaired_intervals_do_not():
    ranks = np.random.default_rng(0).integers(1, 12, size=300)
    worse = np.where(np.arange(300) % 20 == 0, 50, ranks)
    better, less = ranks.tolist(), worse.tolist()
    unpaired = bootstrap(retrieval_scores, better, better)["mrr"], bootstrap(retrieval_scores, better, less)["mrr"]
    assert unpaired[0].low < unpaired[1].high
    gain = paired_bootstrap(retrieval_scores, better, better, less)["mrr"]
    assert gain.low > 0
    assert gain.share_not_positive == 0
    assert gain.value == pytest.approx(unpaired[0].value - unpaired[1].value)


def test_a_system_gains_nothing_over_itself(truth):
    predicted = noisy(truth, 0.7, seed=1)
    for gain in paired_bootstrap(classification_scores, truth, predicted, predicted).values():
        assert (gain.value, gain.low, gain.high, gain.share_not_positive) == (0, 0, 0, 1)


def test_the_seed_decides(truth):
    predicted = noisy(truth, 0.7, seed=1)
    once = bootstrap(classification_scores, truth, predicted, seed=3)
    assert once == bootstrap(classification_scores, truth, predicted, seed=3)
    assert once != bootstrap(classification_scores, truth, predicted, seed=4)


def test_a_higher_confidence_is_a_wider_interval(truth):
    predicted = noisy(truth, 0.7, seed=1)
    wide, narrow = (
        bootstrap(classification_scores, truth, predicted, confidence=level)["macro_f1"] for level in (0.99, 0.5)
    )
    assert wide.low < narrow.low < narrow.high < wide.high


def test_a_label_with_one_row_has_an_interval_and_no_warning(recwarn):
    found = bootstrap(classification_scores, ["a"] * 5 + ["b"], ["a"] * 5 + ["b"], resamples=50)
    assert (found["f1[b]"].low, found["f1[b]"].high) == (1, 1)
    assert not recwarn.list


def test_draws_in_several_chunks_are_as_many(monkeypatch, truth):
    monkeypatch.setattr("lect.evaluation.bootstrap.CELLS_AT_ONCE", 100)
    found = bootstrap(classification_scores, truth, noisy(truth, 0.7, seed=1), resamples=501)["macro_f1"]
    assert found.low < found.value < found.high


def test_a_thousand_resamples_of_two_thousand_rows_take_under_half_a_second():
    generator = np.random.default_rng(0)
    truth = [f"label {label}" for label in generator.integers(7, size=2000)]
    predicted = [f"label {label}" for label in generator.integers(7, size=2000)]
    classification_scores(truth[:2], predicted[:2])
    # Processor time, so that what else runs on the machine does not count.
    started = time.process_time()
    bootstrap(classification_scores, truth, predicted)
    assert time.process_time() - started < 0.5


def test_no_rows_are_an_error():
    with pytest.raises(ValueError, match="no rows"):
        bootstrap(classification_scores, [], [])

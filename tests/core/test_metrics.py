"""Classification and retrieval scores, and ranks, against naive forms of them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lect import HeadSpec
from lect.errors import UserError
from lect.evaluation.bootstrap import paired_bootstrap
from lect.evaluation.metrics import METRICS, classification_scores, retrieval_scores
from lect.evaluation.ranking import Ranked
from lect.evaluation.retrieval import matches, ranks
from lect.host import Host
from lect.scores import joined_scores, named_by_two
from lect.specs import MetricSpec

LABELS = st.sampled_from(["positive", "neutral", "negative", "other"])
PAIRS = st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30)


def naive(truth, predicted):
    scores = {"accuracy": sum(a == b for a, b in zip(truth, predicted, strict=True)) / len(truth)}
    each = {}
    for label in set(truth):
        hits = sum(a == b == label for a, b in zip(truth, predicted, strict=True))
        guessed, there = predicted.count(label), truth.count(label)
        precision, recall = hits / guessed if guessed else 0, hits / there
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0
        each[label] = (precision, recall, f1)
    for place, name in enumerate(("precision", "recall", "f1")):
        scores[f"macro_{name}"] = sum(three[place] for three in each.values()) / len(each)
        scores[f"weighted_{name}"] = sum(three[place] * truth.count(label) for label, three in each.items()) / len(
            truth
        )
        scores |= {f"{name}[{label}]": three[place] for label, three in each.items()}
    hits = sum(a == b for a, b in zip(truth, predicted, strict=True))
    guessed = sum(label in each for label in predicted)
    scores["micro_precision"] = hits / guessed if guessed else 0
    scores["micro_recall"] = hits / len(truth)
    scores["micro_f1"] = 2 * hits / (guessed + len(truth))
    return scores


@given(PAIRS)
def test_classification_is_what_its_definition_says(pairs):
    truth, predicted = (list(column) for column in zip(*pairs, strict=True))
    assert classification_scores(truth, predicted) == pytest.approx(naive(truth, predicted))


def test_labels_are_those_of_the_truth():
    scores = classification_scores(["a", "a", "b"], ["a", "c", "b"])
    assert [name for name in scores if name.startswith("f1[")] == ["f1[a]", "f1[b]"]
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["micro_recall"] == scores["accuracy"] == pytest.approx(2 / 3)
    assert scores["micro_precision"] == 1


def test_a_label_never_predicted_scores_0_without_a_warning(recwarn):
    assert classification_scores(["a", "b"], ["a", "a"])["f1[b]"] == 0
    assert not recwarn.list


@pytest.mark.parametrize("compute", [spec.compute for spec in METRICS])
def test_no_rows_and_unequal_rows_are_errors(compute):
    with pytest.raises(ValueError, match="no rows"):
        compute([], [])
    with pytest.raises(ValueError, match="2 rows and 1"):
        compute([1, 2], [1])


def test_each_metric_has_its_main_score_between_0_and_1():
    for spec in METRICS:
        answers = [Ranked(((rank, 1.0),)) for rank in (1, 2, 2)] if spec.name == "ranking" else [1, 2, 2]
        scores = spec.compute([1, 1, 2], answers)
        assert spec.main in scores
        assert all(0 <= value <= 1 for value in scores.values())


def test_retrieval_scores():
    assert retrieval_scores(range(4), [1, 2, 6, 20]) == {
        "recall@1": 0.25,
        "recall@5": 0.5,
        "recall@10": 0.75,
        "mrr": pytest.approx((1 + 1 / 2 + 1 / 6 + 1 / 20) / 4),
        "ndcg@10": pytest.approx((1 + 1 / math.log2(3) + 1 / math.log2(7)) / 4),
    }
    with pytest.raises(ValueError, match="count from 1"):
        retrieval_scores([0], [0])


# Small whole numbers make exact ties, and zero vectors, likely.
vectors = st.lists(st.tuples(*[st.integers(-2, 2)] * 3), min_size=1, max_size=9)


def naive_rank(query, candidates, correct):
    def cosine(other):
        product = math.hypot(*query) * math.hypot(*other)
        return sum(a * b for a, b in zip(query, other, strict=True)) / product if product else 0.0

    best = max(cosine(candidates[index]) for index in correct)
    return 1 + sum(cosine(other) >= best - 1e-9 for index, other in enumerate(candidates) if index not in correct)


@given(queries=vectors, candidates=vectors, data=st.data(), block=st.integers(1, 4))
def test_ranks_are_what_their_definition_says(queries, candidates, data, block):
    answer = st.sets(st.integers(0, len(candidates) - 1), min_size=1)
    correct = [data.draw(answer) for _ in queries]
    expected = [naive_rank(query, candidates, some) for query, some in zip(queries, correct, strict=True)]
    assert ranks(np.array(queries), np.array(candidates), correct, block=block) == expected
    assert ranks(torch.tensor(queries).bfloat16(), torch.tensor(candidates), correct) == expected


def test_a_single_index_is_a_set_of_one():
    generator = np.random.default_rng(0)
    queries, candidates = generator.normal(size=(20, 4)), generator.normal(size=(30, 4))
    answers = generator.integers(30, size=20)
    assert ranks(queries, candidates, list(answers)) == ranks(queries, candidates, [{index} for index in answers])


def test_ties_count_against_the_query_and_equal_answers_do_not():
    candidates = [[1.0, 0], [1.0, 0], [0, 1.0]]
    assert ranks([[1.0, 0]], candidates, [0]) == [2]
    assert ranks([[1.0, 0]], candidates, [{0, 1}]) == [1]
    assert ranks([[1.0, 0]], candidates, matches(["x"], ["x", "x", "y"])) == [1]


def test_vectors_that_are_not_numbers_rank_last():
    assert ranks([[math.nan, 1], [1, 1]], [[1, 0], [0, 1], [1, 1]], [2, 2]) == [3, 1]
    assert ranks([[1.0, 1.0]], [[1.0, 0], [math.nan, 0]], [1]) == [2]
    assert ranks([[0.0, 0.0]], [[1.0, 0], [0, 1.0]], [0]) == [2]


@pytest.mark.parametrize(
    ("queries", "candidates", "correct"),
    [([[1, 2]], [[1, 2, 3]], [0]), ([[1, 2]], [[1, 2]], [0, 0]), ([[1]], [[1]], [1]), ([[1]], [[1]], [set()])],
)
def test_shapes_and_answers_that_do_not_fit_are_errors(queries, candidates, correct):
    with pytest.raises(ValueError):
        ranks(np.array(queries), np.array(candidates), correct)


def test_an_answer_that_is_no_candidate_is_an_error():
    with pytest.raises(ValueError, match="'z' is not among the candidates"):
        matches(["x", "z"], ["x", "y"])


def test_no_score_of_one_metric_takes_the_place_of_anothers():
    def spec(name, **scores):
        return MetricSpec(name, "", lambda truth, predicted: scores, main=next(iter(scores)))

    with pytest.raises(UserError, match='the metrics "a" and "b" both give a score "f1"'):
        joined_scores([spec("a", f1=1.0), spec("b", f1=0.5)], [{"f1": 1.0}, {"f1": 0.5}])
    assert named_by_two([spec("a", f1=1.0), spec("b", f1=0.5)])[0] == "f1"
    heads = Host.load().specs(HeadSpec).values()
    metrics = Host.load().specs(MetricSpec)
    assert not any(named_by_two([metrics[name].spec for name in head.spec.metrics]) for head in heads)


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("mae", "lower"),
        ("pearson", "higher"),
        ("mae[of one label]", "lower"),
        ("loss", "lower"),
        ("masked/loss", "lower"),
        ("anything", "higher"),
    ],
)
def test_every_score_has_a_direction(name, direction):
    assert Host.load().spec(MetricSpec, "regression").direction(name) == direction


def test_a_system_with_the_smaller_error_is_no_worse_in_any_resample():
    truth = [float(number) for number in range(20)]
    near, far = [value + 0.1 for value in truth], [value + 1 for value in truth]
    spec = Host.load().spec(MetricSpec, "regression")
    gain = paired_bootstrap(spec.compute, truth, near, far, resamples=50, directions=spec.scores)["mae"]
    assert gain.value == pytest.approx(-0.9)
    assert gain.share_not_positive == 0
    assert paired_bootstrap(spec.compute, truth, far, near, resamples=50, directions=spec.scores)[
        "mae"
    ].share_not_positive == pytest.approx(1)

"""Ranks with grades of relevance, and what is made of them, against scikit-learn and naive forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, label_ranking_average_precision_score, ndcg_score

from lect.data.judgements import read_judgements
from lect.errors import DataError
from lect.evaluation.bootstrap import bootstrap, paired_bootstrap
from lect.evaluation.metrics import METRICS
from lect.evaluation.ranking import Ranked, rank_relevant

RANKING = next(spec for spec in METRICS if spec.name == "ranking")


def drawn(seed, queries, candidates, grades=(0, 0, 0, 1, 2, 3)):
    generator = np.random.default_rng(seed)
    asked, offered = generator.normal(size=(queries, 8)), generator.normal(size=(candidates, 8))
    table = generator.choice(grades, size=(queries, candidates)).astype(float)
    table[np.arange(queries), generator.integers(candidates, size=queries)] = 1
    return asked, offered, table


def judged(table):
    return [{place: grade for place, grade in enumerate(row) if grade > 0} for row in table]


def cosines(asked, offered):
    return (asked / np.linalg.norm(asked, axis=1)[:, None]) @ (offered / np.linalg.norm(offered, axis=1)[:, None]).T


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(2, 40), st.integers(1, 5))
def test_scores_are_those_of_scikit_learn_and_of_their_definitions(seed, queries, candidates, block):
    asked, offered, table = drawn(seed, queries, candidates)
    ranked = rank_relevant(asked, offered, judged(table), block=block)
    scores = RANKING.compute(ranked, ranked)
    near = cosines(asked, offered)
    assert scores["ndcg@10"] == pytest.approx(ndcg_score(table, near, k=10, ignore_ties=True))
    order = np.argsort(-near, axis=1)
    is_relevant = np.take_along_axis(table > 0, order, axis=1)
    assert scores["mrr"] == pytest.approx(np.mean(1 / (1 + is_relevant.argmax(axis=1))))
    for k in (1, 5, 10):
        recall = is_relevant[:, :k].sum(axis=1) / is_relevant.sum(axis=1)
        assert scores[f"recall@{k}"] == pytest.approx(recall.mean())


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(2, 40))
def test_with_one_relevant_text_a_query_the_mean_reciprocal_rank_is_average_precision(seed, queries, candidates):
    asked, offered, _ = drawn(seed, queries, candidates)
    right = np.random.default_rng(seed).integers(candidates, size=queries)
    ranked = rank_relevant(asked, offered, [{int(place): 1.0} for place in right])
    near, table = cosines(asked, offered), np.eye(candidates)[right]
    expected = [average_precision_score(row, own) for row, own in zip(table, near, strict=True)]
    assert RANKING.compute(ranked, ranked)["mrr"] == pytest.approx(np.mean(expected))
    assert np.mean(expected) == pytest.approx(label_ranking_average_precision_score(table, near))


def test_of_equally_near_texts_the_less_relevant_come_first_and_no_rank_is_twice():
    same = np.ones((4, 3))
    (ranked,) = rank_relevant([[1.0, 1.0, 1.0]], same, [{0: 2.0, 1: 1.0, 2: 1.0}])
    assert ranked == Ranked(((2, 1.0), (3, 1.0), (4, 2.0)))
    (ranked,) = rank_relevant([[math.nan, 0.0, 0.0]], same, [{0: 1.0}])
    assert ranked == Ranked(((4, 1.0),))
    with pytest.raises(ValueError, match="not among 4 candidates"):
        rank_relevant([[1.0, 1.0, 1.0]], same, [{4: 1.0}])
    with pytest.raises(ValueError, match="not among 4 candidates"):
        rank_relevant([[1.0, 1.0, 1.0]], same, [{1: 0.0}])


@given(st.lists(st.tuples(st.integers(1, 10**6), st.sampled_from([1.0, 2.0, 0.5, 3.25])), min_size=1, max_size=5))
def test_ranks_are_read_back_from_what_reports_show(places):
    ranked = Ranked(tuple(places))
    assert Ranked.parse(str(ranked)) == ranked


def test_intervals_over_queries():
    asked, offered, table = drawn(3, 40, 60)
    ranked = rank_relevant(asked, offered, judged(table))
    worse = [Ranked(tuple((rank + 5, grade) for rank, grade in own.places)) for own in ranked]
    found = bootstrap(RANKING.compute, ranked, ranked)
    for name, interval in found.items():
        assert interval.low <= RANKING.compute(ranked, ranked)[name] == interval.value <= interval.high
    assert paired_bootstrap(RANKING.compute, ranked, ranked, worse)["ndcg@10"].low > 0


def test_judgements_in_both_layouts(tmp_path):
    beir = tmp_path / "test.tsv"
    beir.write_text("query-id\tcorpus-id\tscore\nq 1\td1\t2\n\nq2\td1\t0\n", encoding="utf-8")
    found = read_judgements(beir, "test.tsv")
    assert [(each.query, each.text, each.grade, each.origin) for each in found] == [
        ("q 1", "d1", 2.0, "test.tsv, line 2"),
        ("q2", "d1", 0.0, "test.tsv, line 4"),
    ]
    trec = tmp_path / "qrels.txt"
    trec.write_text("1 0 doc-7 1\n1 Q0 doc-8 0\n", encoding="utf-8")
    assert [(each.query, each.text, each.grade) for each in read_judgements(trec, "x")] == [
        ("1", "doc-7", 1.0),
        ("1", "doc-8", 0.0),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("q1 d1 1\nq1 d1 2\n", r'x, line 2: "d1" is judged twice for "q1" \(x, line 1\)'),
        ("q1 d1 1\nq1 d2 good\n", 'x, line 2: "good" is no grade'),
        ("q1 d1\n", "x, line 1: 2 columns where there should be 3 or 4"),
        ("q1 d1 nan\nq2 d1 inf\n", 'x, line 2: "inf" is no grade'),
        ("query-id\tcorpus-id\tscore\n", "x: there are no judgements"),
    ],
)
def test_what_is_no_judgement_is_refused_with_its_line(tmp_path, content, message):
    path = tmp_path / "x"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_judgements(path, "x")

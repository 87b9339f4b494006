"""BLEU and chrF++ equal sacrebleu's own, in every resample, with its signature."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF

from lect import MetricSpec
from lect.evaluation.bootstrap import bootstrap
from lect.evaluation.counted import counted
from lect.host import Host

SPEC = Host.load(report=lambda line: None).spec(MetricSpec, "translation")
words = st.sampled_from(
    ["", "the", "house", "houses,", "1,000.5", "“wah”", "ߒߞߏ", "好日子", "(and", "don't", "  ", "!"]
)
lines = st.lists(words, max_size=7).map(" ".join)
pairs = st.lists(st.tuples(lines, lines), min_size=1, max_size=6)


def theirs(rows):
    truth, answers = ([row[side] for row in rows] for side in (0, 1))
    chrf, bleu = CHRF(word_order=2), BLEU(force=True)
    return {
        "chrf++": chrf.corpus_score(answers, [truth]).score / 100,
        "bleu": bleu.corpus_score(answers, [truth]).score / 100,
    }


@given(pairs)
@example([("a b c d e", "")])
@example([("", "a b c d e")])
@example([("", "")])
@example([("the old house is on the way", "the old house is on the way"), ("a b c d", "")])
@example([("x", "x")])
def test_scores_are_those_of_sacrebleu(rows):
    truth, answers = zip(*rows, strict=True)
    assert SPEC.compute(truth, answers) == pytest.approx(theirs(rows), abs=1e-12)


@given(pairs, st.integers(0, 2**32 - 1))
def test_every_resample_is_scored_as_its_rows_would_be(rows, seed):
    draws = np.random.default_rng(seed).integers(0, len(rows), (3, len(rows)))
    counts = np.stack([np.bincount(draw, minlength=len(rows)) for draw in draws])
    found = SPEC.compute.of_counts([SPEC.compute.row(*row) for row in rows], counts)
    for place, draw in enumerate(draws):
        expected = theirs([rows[index] for index in draw])
        assert {name: scores[place] for name, scores in found.items()} == pytest.approx(expected, abs=1e-12)


def test_intervals_and_signatures():
    truth = ["the old house", "a day by the water", "good people in the city"]
    answers = ["the house", "a day on the water", "good people in the city"]
    assert counted(SPEC.compute) is not None
    intervals = bootstrap(SPEC.compute, truth, answers)
    assert set(intervals) == {"chrf++", "bleu"} and SPEC.main == "chrf++"
    assert 0 < intervals["chrf++"].low < intervals["chrf++"].value < intervals["chrf++"].high <= 1
    chrf, bleu = CHRF(word_order=2), BLEU()
    chrf.corpus_score(answers, [truth])
    bleu.corpus_score(answers, [truth])
    assert SPEC.signatures(truth) == {"chrf++": str(chrf.get_signature()), "bleu": str(bleu.get_signature())}
    assert "nc:6|nw:2" in SPEC.signatures(truth)["chrf++"] and "tok:13a" in SPEC.signatures(truth)["bleu"]

"""Queries against a corpus with judgements: each finds itself, and what is missing or wrong is said."""

import pytest

from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.stack import Stack
from lect.data.examples import Example
from lect.data.judgements import Judgement
from lect.engine.engine import Engine
from lect.engine.open import OpenStack, check_heads
from lect.errors import DataError, UserError
from lect.evaluation.search import evaluate_search
from lect.host import Host
from lect.testing.backbones import tiny_backbone

TEXTS = ["the first text", "another one", "a third, with a comma", "one more day", "ߊߋߌ"]


@pytest.fixture(scope="module")
def opened():
    model = RoutedModel(tiny_backbone()).eval()
    return OpenStack(Stack(), (), (), Engine(model, RowEncoder(model)))


def corpus():
    return [Example(text, key=f"d{place}", origin=f"corpus, line {place}") for place, text in enumerate(TEXTS)]


def queries():
    return [Example(text, key=f"q{place}", origin=f"queries, line {place}") for place, text in enumerate(TEXTS)]


def judged(*rows):
    return [Judgement(query, text, grade, f"qrels, line {line}") for line, (query, text, grade) in enumerate(rows, 1)]


def test_each_query_finds_itself_and_grades_count(opened):
    rows = [(f"q{place}", f"d{place}", 2.0) for place in range(4)]
    report = evaluate_search(
        opened, Host.load(), queries(), corpus(), judged(*rows, ("q0", "d1", 0.0), ("q9", "d1", 1.0)), "texts"
    )
    assert report.rows == 4 and report.main == "ndcg@10"
    assert {score.name: score.value for score in report.variants[0].scores} == pytest.approx(
        {"ndcg@10": 1.0, "mrr": 1.0, "recall@1": 1.0, "recall@5": 1.0, "recall@10": 1.0}
    )
    assert report.variants[0].predictions == ("1:2",) * 4
    assert report.notes == (
        "Each query is looked for among 5 texts, of which 1 are relevant on average.",
        "The corpus goes through the bare backbone.",
        "1 queries have no relevant text and are left out.",
        "1 judged queries are not among the queries and are left out.",
    )
    # The better text is the second one that is found: less than the best order there is.
    report = evaluate_search(
        opened, Host.load(), queries()[:1], corpus()[:2], judged(("q0", "d0", 1.0), ("q0", "d1", 3.0)), "texts"
    )
    assert report.variants[0].predictions == ("1 2:3",)
    assert 0.5 < report.variants[0].scores[0].value < 0.9


def test_what_does_not_fit_together_is_refused(opened):
    host, right = Host.load(), judged(("q0", "d0", 1.0))
    with pytest.raises(DataError, match='qrels, line 1: no text of the corpus has the key "d7"'):
        evaluate_search(opened, host, queries(), corpus(), judged(("q0", "d7", 1.0)), "x")
    with pytest.raises(DataError, match="no query has a relevant text"):
        evaluate_search(opened, host, queries(), corpus(), judged(("q0", "d0", 0.0)), "x")
    with pytest.raises(DataError, match="corpus, line 9: the row has no key; name its column: --corpus-option key=_id"):
        evaluate_search(opened, host, queries(), [*corpus(), Example("x", origin="corpus, line 9")], right, "x")
    with pytest.raises(DataError, match='the key "q0" is that of queries, line 0, too'):
        evaluate_search(opened, host, [*queries(), queries()[0]], corpus(), right, "x")
    with pytest.raises(UserError, match='own vectors and vectors of "task:find" cannot be compared; end both stacks'):
        check_heads("", "task:find", "index")

"""Metrics of the heads equal the reference implementations, in every resample too."""

from __future__ import annotations

import collections
import itertools
import json
import re
import string
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lect import MetricSpec
from lect.evaluation.bootstrap import bootstrap, paired_bootstrap
from lect.evaluation.counted import counted
from lect.evaluation.significance import of_statistics, paired_test, row_statistics
from lect.host import Host
from lect_heads.metrics.squad import Accepted, exact_match, f1, normalised, tokens
from lect_heads.schemes import convert, entities, write
from lect_heads.trees import best_tree

METRICS = {name: provided.spec for name, provided in Host.load().specs(MetricSpec).items()}
TAGS = ("O", "B-A", "I-A", "E-A", "S-A", "B-B", "I-B", "E-B", "S-B", "I-B-C")
sentences = st.integers(1, 8).flatmap(
    lambda length: st.tuples(*(st.lists(st.sampled_from(TAGS), min_size=length, max_size=length) for _ in range(2)))
)


@given(st.lists(sentences, min_size=1, max_size=5))
def test_entities_score_as_seqeval_scores_them(rows):
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

    truth, predicted = (list(column) for column in zip(*rows, strict=True))
    scores = METRICS["tagging"].compute(truth, predicted)
    for average, prefix in (("micro", ""), ("macro", "macro_")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not any(entities(tags) for tags in [*truth, *predicted]):
                expected = (0.0, 0.0, 0.0)
            else:
                expected = precision_recall_fscore_support(truth, predicted, average=average, zero_division=0)[:3]
        found = tuple(scores[f"{prefix}{name}"] for name in ("precision", "recall", "f1"))
        assert found == pytest.approx(expected)


@given(st.lists(st.sampled_from(TAGS), max_size=12))
def test_what_stands_in_tags_is_what_seqeval_finds_and_survives_every_scheme(tags):
    from seqeval.metrics.sequence_labeling import get_entities

    found = entities(tags)
    assert found == [(kind, start, end + 1) for kind, start, end in get_entities(list(tags))]
    for scheme in ("iob1", "bio", "bioes"):
        assert entities(convert(tags, scheme)) == found
    assert write(found, len(tags), "bioes") == convert(convert(tags, "iob1"), "bioes")


def test_iob1_marks_a_beginning_only_where_two_entities_of_a_kind_touch():
    bio = ("B-A", "I-A", "B-A", "B-B", "O", "B-B")
    assert convert(bio, "iob1") == ("I-A", "I-A", "B-A", "I-B", "O", "I-B")
    assert convert(bio, "bioes") == ("B-A", "E-A", "S-A", "S-B", "O", "S-B")
    assert convert(("B-A", "L-A", "U-B"), "bio") == ("B-A", "I-A", "B-B")


@given(st.lists(sentences, min_size=1, max_size=5))
def test_words_score_as_scikit_learn_scores_them(rows):
    from sklearn.metrics import accuracy_score, f1_score

    truth, predicted = (list(column) for column in zip(*rows, strict=True))
    flat, given_tags = list(itertools.chain(*truth)), list(itertools.chain(*predicted))
    scores = METRICS["token"].compute(truth, predicted)
    labels = sorted(set(flat))
    assert scores["accuracy"] == pytest.approx(accuracy_score(flat, given_tags))
    macro = f1_score(flat, given_tags, labels=labels, average="macro", zero_division=0)
    assert scores["macro_f1"] == pytest.approx(macro)
    each = f1_score(flat, given_tags, labels=labels, average=None, zero_division=0)
    assert [scores[f"f1[{label}]"] for label in labels] == pytest.approx(list(each))


@given(st.lists(st.tuples(*[st.sets(st.sampled_from("abc"))] * 2), min_size=1, max_size=8))
def test_sets_of_labels_score_as_scikit_learn_scores_them(rows):
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support
    from sklearn.preprocessing import MultiLabelBinarizer

    truth, predicted = ([tuple(sorted(labels)) for labels in column] for column in zip(*rows, strict=True))
    scores = METRICS["multi-label"].compute(truth, predicted)
    labels = sorted(set(itertools.chain(*truth, *predicted)))
    if not labels:
        assert scores["exact"] == 1
        return
    # Of all letters: of a single one scikit-learn would score its absence, too.
    marks = MultiLabelBinarizer(classes=list("abc")).fit(["abc"])
    places = ["abc".index(label) for label in labels]
    true, answered = marks.transform(truth), marks.transform(predicted)
    assert scores["exact"] == pytest.approx(accuracy_score(true, answered))
    for average in ("micro", "macro"):
        expected = precision_recall_fscore_support(true, answered, labels=places, average=average, zero_division=0)[:3]
        assert tuple(scores[f"{average}_{name}"] for name in ("precision", "recall", "f1")) == pytest.approx(expected)


numbers = st.floats(-1e3, 1e3)


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=12))
def test_numbers_score_as_scipy_scores_them(rows):
    from scipy.stats import pearsonr, spearmanr

    truth, predicted = zip(*rows, strict=True)
    scores = METRICS["regression"].compute(truth, predicted)
    assert scores["mae"] == pytest.approx(np.abs(np.subtract(truth, predicted)).mean())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if min(np.ptp(truth), np.ptp(predicted)) > 1e-3:
            assert scores["pearson"] == pytest.approx(pearsonr(truth, predicted)[0], abs=1e-6)
        expected = spearmanr(truth, predicted)[0]
    assert scores["spearman"] == pytest.approx(0.0 if np.isnan(expected) else expected, abs=1e-9)


# ------------------------------------------------------------ SQuAD's own script, version 2.0, as it was published


def official_normalise(text):
    def remove_articles(text):
        return re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text)

    def remove_punc(text):
        exclude = set(string.punctuation)
        return "".join(ch for ch in text if ch not in exclude)

    return " ".join(remove_articles(remove_punc(text.lower())).split())


def official_f1(gold, answer):
    gold_toks = official_normalise(gold).split() if gold else []
    pred_toks = official_normalise(answer).split() if answer else []
    num_same = sum((collections.Counter(gold_toks) & collections.Counter(pred_toks)).values())
    if len(gold_toks) == 0 or len(pred_toks) == 0:
        return int(gold_toks == pred_toks)
    if num_same == 0:
        return 0
    precision, recall = 1.0 * num_same / len(pred_toks), 1.0 * num_same / len(gold_toks)
    return (2 * precision * recall) / (precision + recall)


phrases = st.lists(
    st.sampled_from(["the", "a", "An", "Theory", "U.S.", "é", "42", "don't", "-", "x=y", "  ", "", "the.", "cat"]),
    max_size=5,
).map(" ".join)


@given(st.lists(st.tuples(st.lists(phrases, max_size=3), phrases), min_size=1, max_size=6))
def test_english_answers_score_as_squads_script_scores_them(rows):
    exact, overlap = [], []
    for golds, answer in rows:
        accepted = [text for text in golds if official_normalise(text)] or [""]
        exact.append(max(int(official_normalise(gold) == official_normalise(answer)) for gold in accepted))
        overlap.append(max(official_f1(gold, answer) for gold in accepted))
    truth = [Accepted(tuple(golds), "en") for golds, _ in rows]
    scores = METRICS["squad"].compute(truth, [answer for _, answer in rows])
    assert scores["exact"] == pytest.approx(np.mean(exact))
    assert scores["f1"] == pytest.approx(np.mean(overlap))


def test_answers_in_other_languages_keep_their_articles_and_lose_their_own_punctuation():
    assert normalised("The A, an end", "en") == "end"
    assert normalised("a The end", "id") == "a the end"
    assert normalised("«ቢል ክሊንተን»፣ 1938 ዓ.ም።", "am") == "ቢል ክሊንተን 1938 ዓም"
    assert tokens("北京大学 (Beijing)", "zh") == ["北", "京", "大", "学", "beijing"]
    assert f1(Accepted(("北京大学",), "zh"), "北京") == pytest.approx(2 / 3)
    assert exact_match(Accepted(("ዓ.ም", "1938"), "am"), "ዓም") == 1
    assert f1(Accepted((), "am"), "") == 1 and f1(Accepted((), "am"), "x") == 0


def test_questions_with_and_without_an_answer_are_told_apart_where_there_are_both():
    truth = [Accepted(("x",)), Accepted(())]
    scores = METRICS["squad"].compute(truth, ["x", "y"])
    assert scores == {
        "f1": 0.5,
        "exact": 0.5,
        "answerable_exact": 1.0,
        "answerable_f1": 1.0,
        "unanswerable_exact": 0.0,
        "unanswerable_f1": 0.0,
    }
    assert set(METRICS["squad"].compute(truth[:1], ["x"])) == {"f1", "exact"}


# -------------------------------------------------------------------------------------------------------------- trees


def all_trees(words):
    for heads in itertools.product(range(words + 1), repeat=words):
        if heads.count(0) != 1:
            continue
        for word in range(words):
            node, steps = word + 1, 0
            while node and steps <= words:
                node, steps = heads[node - 1], steps + 1
            if node:
                break
        else:
            yield list(heads)


@given(st.integers(1, 4), st.integers(0, 10_000))
def test_the_best_tree_is_the_best_of_all_trees_with_one_root(words, seed):
    scores = np.random.default_rng(seed).normal(size=(words, words + 1))
    total = lambda heads: sum(scores[word, head] for word, head in enumerate(heads))  # noqa: E731
    found = best_tree(scores)
    assert found in list(all_trees(words))
    assert total(found) == pytest.approx(max(map(total, all_trees(words))))


def test_the_best_tree_is_that_of_networkx_for_longer_sentences():
    import networkx

    for seed in range(4):
        scores = np.random.default_rng(seed).normal(size=(14, 15))
        graph = networkx.DiGraph()
        price = 1000.0
        for word, head in itertools.product(range(14), range(15)):
            if head != word + 1:
                graph.add_edge(head, word + 1, weight=scores[word, head] - (price if head == 0 else 0))
        best = networkx.maximum_spanning_arborescence(graph)
        expected = {word: head for head, word in best.edges}
        assert best_tree(scores) == [expected[word] for word in range(1, 15)]


def test_trees_score_by_the_rules_of_conll_2018():
    truth = [((2, "det", "DET"), (3, "nsubj:pass", "NOUN"), (0, "root", "VERB"), (3, "punct", "PUNCT"))]
    given_arcs = [((3, "det", "DET"), (3, "nsubj", "PROPN"), (0, "root", "VERB"), (3, "obj", "PUNCT"))]
    scores = METRICS["parsing"].compute(truth, given_arcs)
    # Content words: two of the true ones, three of the given ones, two of both.
    assert scores == pytest.approx({"uas": 3 / 4, "las": 2 / 4, "clas": 2 * 2 / 5, "upos": 3 / 4})
    bare = [tuple((head, name, None) for head, name, _ in truth[0])]
    assert METRICS["parsing"].compute(bare, bare) == {"uas": 1, "las": 1, "clas": 1}


# --------------------------------------------------------------------------------------------------------- resampling


@given(st.lists(sentences, min_size=1, max_size=6), st.data())
def test_a_resample_scores_as_its_rows_do(rows, data):
    drawn = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=len(rows), max_size=len(rows)))
    truth, predicted = zip(*rows, strict=True)
    for name in ("tagging", "token"):
        compute = METRICS[name].compute
        expected = compute([truth[i] for i in drawn], [predicted[i] for i in drawn])
        metric = counted(compute)
        keys = [metric.row(true, answer)[1] for true, answer in rows]
        counts = np.array([[drawn.count(i) for i in range(len(rows))]], dtype=float)
        found = {key: float(value[0]) for key, value in metric.scores([None] * len(rows), keys, counts).items()}
        assert {key: value for key, value in found.items() if not np.isnan(value)} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "truth", "first", "second"),
    [
        ("tagging", ("B-A", "O"), ("B-A", "O"), ("O", "B-A")),
        ("multi-label", ("a", "b"), ("a", "b"), ("a",)),
        ("multiple-choice", "1", "1", "0"),
        ("squad", Accepted(("the house",)), "house", "tree"),
        ("regression", 1.0, 1.5, 3.0),
        ("translation", "the old house", "the old house", "a tree"),
    ],
)
def test_two_systems_are_compared_from_what_a_file_holds_of_their_rows(name, truth, first, second):
    metric = METRICS[name]
    rows = [[truth] * 12, [first] * 9 + [second] * 3, [second] * 9 + [first] * 3]
    if name == "regression":
        rows = [[value + place for place, value in enumerate(own)] for own in rows]
    kept = [json.loads(json.dumps(row_statistics(metric, rows[0], own))) for own in rows[1:]]
    direct = paired_test(metric.compute, metric.main, *rows, resamples=40)
    assert paired_test(*of_statistics(metric, *kept)[:1], metric.main, *of_statistics(metric, *kept)[1:],
                       resamples=40) == direct  # fmt: skip
    assert direct.p < 1 and direct.value != 0
    assert row_statistics(METRICS["classification"], ["a"], ["b"]) == ()


def test_intervals_hold_the_score_and_a_better_system_gains():
    generator = np.random.default_rng(0)
    truth = [tuple(generator.choice(["O", "B-A", "I-A"], size=9)) for _ in range(60)]
    worse = [tuple(tag if generator.random() < 0.6 else "O" for tag in tags) for tags in truth]
    interval = bootstrap(METRICS["tagging"].compute, truth, worse)["f1"]
    assert interval.low < interval.value < interval.high
    assert paired_bootstrap(METRICS["tagging"].compute, truth, truth, worse)["f1"].low > 0


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="1 tags for 2 words"):
        METRICS["tagging"].compute([("O", "O")], [("O",)])
    with pytest.raises(ValueError, match="no rows"):
        METRICS["token"].compute([], [])
    with pytest.raises(ValueError, match="1 rows and 2 predictions"):
        METRICS["squad"].compute([Accepted(())], ["", ""])

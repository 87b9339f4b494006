"""Evaluation reports: JSON that is read back, tables that fit, Markdown that keeps its columns."""

import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from lect.errors import DataError
from lect.evaluation.bootstrap import bootstrap, paired_bootstrap
from lect.evaluation.metrics import classification_scores, retrieval_scores
from lect.evaluation.report import Difference, EvaluationReport, Score, Variant, differences_of, variant_of

TRUTH = ["territory", "language", "script", "currency"] * 10
WHOLE = TRUTH[:30] + ["script"] * 10
WITHOUT = ["script"] * 40


def shown(report: EvaluationReport, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(report)
    return out.getvalue()


def report_of(others: dict[str, list[str]]) -> EvaluationReport:
    whole = "lang:nqo + task:topic"
    variants = [variant_of(whole, bootstrap(classification_scores, TRUTH, WHOLE), WHOLE)]
    differences: list[Difference] = []
    for label, answers in others.items():
        variants.append(variant_of(label, bootstrap(classification_scores, TRUTH, answers)))
        differences += differences_of(label, paired_bootstrap(classification_scores, TRUTH, WHOLE, answers))
    return EvaluationReport(
        title=whole,
        dataset="cldr nqo, part test",
        rows=40,
        backbone="e5-small",
        main="macro_f1",
        variants=tuple(variants),
        differences=tuple(differences),
        support=dict.fromkeys(sorted(set(TRUTH)), 10),
        seconds=1.5,
        notes=("3 rows were cut.",),
    )


def test_the_tables_say_what_the_stack_gains():
    text = shown(report_of({"without lang:nqo": WITHOUT}))
    assert "cldr nqo, part test · 40 rows · e5-small · 1.5 s" in text
    whole, without = (next(line for line in text.splitlines() if f"  {place}  " in line) for place in (1, 2))
    assert f"{100 * classification_scores(TRUTH, WHOLE)['macro_f1']:.1f} [" in whole
    assert f"{100 * classification_scores(TRUTH, WITHOUT)['macro_f1']:.1f} [" in without
    assert "the whole gains" in text
    assert "+" in without
    assert "territory" in text
    assert "3 rows were cut." in text


def test_brackets_in_labels_and_titles_are_no_markup():
    answers = ["[bold]x[/bold]", "y"]
    scores = bootstrap(classification_scores, answers, answers)
    report = EvaluationReport("[red]stack", "d", 2, "b", "macro_f1", (variant_of("[i]v", scores),))
    text = shown(report)
    assert "[bold]x[/bold]" in text
    assert "[red]stack" in text
    assert "[i]v" in text


@pytest.mark.parametrize(
    "others", [{}, {"without lang:nqo": WITHOUT}, {f"without lang:x{i}": WITHOUT for i in range(4)}]
)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_fit_the_terminal_and_lose_no_label(others, width):
    text = shown(report_of(others), width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    for label in {*TRUTH, *others}:
        assert label in text
    assert "…" not in text


def test_intervals_give_way_where_there_is_no_room():
    report = report_of({"without lang:nqo": WITHOUT, "without task:topic": WITHOUT, "bare backbone": WITHOUT})
    line = {width: next(x for x in shown(report, width).splitlines() if "accuracy" in x) for width in (80, 120)}
    assert "[" not in line[80]
    assert "[" in line[120]


def test_retrieval_has_no_table_of_labels():
    ranks = [1, 2, 3, 4]
    report = EvaluationReport(
        "t", "d", 4, "b", "recall@1", (variant_of("v", bootstrap(retrieval_scores, ranks, ranks)),)
    )
    text = shown(report)
    assert "recall@1" in text
    assert "MRR" in text
    assert "label" not in text


def test_json_has_the_documented_keys():
    report = report_of({"without lang:nqo": WITHOUT})
    given = json.loads(report.to_json())
    assert list(given) == [
        "schema",
        "title",
        "dataset",
        "rows",
        "backbone",
        "main",
        "variants",
        "differences",
        "support",
        "seconds",
        "confidence",
        "notes",
        "signatures",
        "remarks",
        "keys",
        "metric",
        "truth",
    ]
    documented = EvaluationReport.to_json.__doc__
    assert all(f"``{key}``" in documented for key in given)
    assert set(given["variants"][0]) == {"label", "scores", "predictions"}
    assert given["variants"][0]["predictions"] == WHOLE
    assert set(given["variants"][0]["scores"][0]) == {"name", "value", "low", "high", "direction"}
    assert set(given["differences"][0]) == {"variant", "name", "value", "low", "high", "share_not_positive"}


unit = st.floats(0, 1)
words = st.text(min_size=1, max_size=8)
scores = st.builds(Score, name=words, value=unit, low=unit, high=unit)
reports = st.builds(
    EvaluationReport,
    title=st.text(max_size=8),
    dataset=st.text(max_size=8),
    rows=st.integers(1, 10**9),
    backbone=st.text(max_size=8),
    main=words,
    variants=st.lists(
        st.builds(
            Variant,
            label=words,
            scores=st.lists(scores, max_size=4).map(tuple),
            predictions=st.lists(st.text(max_size=4), max_size=2).map(tuple),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple),
    differences=st.lists(
        st.builds(Difference, variant=words, name=words, value=unit, low=unit, high=unit, share_not_positive=unit),
        max_size=3,
    ).map(tuple),
    support=st.dictionaries(words, st.integers(0, 99), max_size=3),
    seconds=unit,
    notes=st.lists(st.text(max_size=8), max_size=2).map(tuple),
)


@given(reports)
def test_any_report_is_read_back_from_its_json(report):
    assert EvaluationReport.from_json(report.to_json()) == report


@given(reports)
def test_any_report_is_shown_whatever_its_labels_hold(report):
    shown(report)
    for table in report.to_markdown().split("\n\n"):
        rows = [line.replace("\\\\", "").replace("\\|", "") for line in table.splitlines() if line.startswith("| ")]
        assert len({line.count("|") for line in rows}) <= 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1}', '{"schema": 1, "variants": 3}'])
def test_other_json_is_refused(text):
    with pytest.raises(DataError):
        EvaluationReport.from_json(text)


def test_markdown_has_every_interval_and_escapes_what_it_must():
    labels = ["a|b", "c*d"]
    scores = bootstrap(classification_scores, labels, labels)
    text = EvaluationReport("x", "d", 2, "b", "macro_f1", (variant_of("v|w", scores),)).to_markdown()
    assert text.startswith("### x\n")
    assert "| a\\|b |" in text
    assert "c\\*d" in text
    assert "100.0 \\[100.0, 100.0\\]" in text


def test_scores_know_their_label():
    assert (Score("f1[a[b]]", 0, 0, 0).label, Score("f1[a[b]]", 0, 0, 0).kind) == ("a[b]", "f1")
    assert (Score("recall@1", 0, 0, 0).label, Score("recall@1", 0, 0, 0).kind) == (None, "recall@1")


def test_gains_are_above_nothing_where_less_is_better():
    def compute(truth, predicted):
        return {"mae": sum(abs(a - b) for a, b in zip(truth, predicted, strict=True)) / len(truth)}

    truth, near, far = [0.0, 1.0, 2.0], [0.1, 1.1, 2.1], [1.0, 2.0, 3.0]
    directions = {"mae": "lower"}
    variants = tuple(variant_of(name, bootstrap(compute, truth, given), (), directions)
                     for name, given in (("whole", near), ("without x", far)))  # fmt: skip
    gains = paired_bootstrap(compute, truth, near, far, directions=directions)
    report = EvaluationReport("t", "d", 3, "b", "mae", variants, differences_of("without x", gains))
    assert report.direction == "lower"
    assert EvaluationReport.from_json(report.to_json()) == report
    text = shown(report)
    assert "mae ↓" in text and "+90.0" in text and "↓: the lower, the better." in " ".join(text.split())
    assert json.loads(report.to_json())["differences"][0]["value"] == pytest.approx(-0.9)


def test_labels_of_two_kinds_have_tables_of_their_own():
    names = ("f1", "precision[PER]", "f1[PER]", "token_accuracy", "token_f1[O]", "token_f1[B-PER]")
    scores = tuple(Score(name, 0.5, 0.4, 0.6) for name in names)
    lines = shown(EvaluationReport("t", "d", 1, "b", "f1", (Variant("v", scores),))).splitlines()
    tables = [line.split() for line in lines if line.strip().startswith("label")]
    assert tables == [["label", "precision", "F1"], ["label", "token", "F1"]]
    assert not any("–" in line for line in lines)


def test_what_was_left_out_stands_in_the_head_and_a_page_has_all_of_it():
    report = replace(report_of({"without <b>lang:nqo": WITHOUT}), remarks=("data.json: 3 questions were left out",))
    lines = shown(report).splitlines()
    assert lines[2] == "data.json: 3 questions were left out"
    assert report.to_markdown().splitlines()[4] == "data.json: 3 questions were left out"
    text = report.to_html()
    assert text.index("3 questions were left out") < text.index("<table")
    assert "without &lt;b&gt;lang:nqo" in text and "<b>lang" not in text
    assert text.count("<table") == 3 and "<script" not in text
    for cell in ("macro F1", "territory", "3 rows were cut."):
        assert cell in text

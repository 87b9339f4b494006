"""Audits: planted bias is found, fair answers have none, and the data's own counts are exact."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lect.auditing.counterfactual import counterfactual, fill
from lect.auditing.data import association, balance, data_bias
from lect.auditing.file import AuditFile, CounterfactualTable, read_templates
from lect.auditing.parity import parity
from lect.auditing.render import summary
from lect.auditing.report import AuditReport
from lect.data.examples import Example
from lect.errors import DataError, RecipeError
from lect.evaluation.metrics import METRICS
from lect.heads import Prediction
from lect.specs import MetricSpec
from lect.validation import validate_model

CLASSIFICATION = METRICS[0]
GENDER = {
    "name": "gender",
    "templates": ["{person} is a doctor", "{person} said {word} was late", "we met {person}"],
    "substitutions": {
        "person": {"female": ["Anna", "Mary"], "male": ["Tom", "Paul"]},
        "word": {"female": ["she", "she"], "male": ["he", "he"]},
    },
}


def table(**changes):
    return validate_model(CounterfactualTable, {**GENDER, **changes}, "audit.toml, counterfactual[0]")


def answer(probability):
    scores = {"bad": 1 - probability, "good": probability}
    best = max(scores, key=scores.get)
    return Prediction(best, scores[best], scores)


def biased(texts):
    return [answer(0.4 if "Tom" in text or "Paul" in text else 0.6) for text in texts]


def test_words_of_several_slots_go_together_by_their_place():
    texts = [each.text for each in fill(["{person} said {word} was late"], table())]
    assert texts == [
        "Anna said she was late",
        "Mary said she was late",
        "Tom said he was late",
        "Paul said he was late",
    ]


def test_a_planted_bias_is_found_exactly_and_fair_answers_have_none():
    found = counterfactual(table(), table().templates, "task:x", biased)
    (group,) = found.groups
    assert (found.reference, group.group, group.pairs, group.flips) == ("female", "male", 12, 12)
    changes = {change.label: change for change in group.changes}
    assert changes["good"].value == pytest.approx(-0.2)
    assert (changes["good"].low, changes["good"].high) == pytest.approx((-0.2, -0.2))
    assert group.examples[0] == ("Anna is a doctor", "good", "Tom is a doctor", "bad")
    fair = counterfactual(table(), table().templates, "task:x", lambda texts: [answer(0.7) for _ in texts])
    assert fair.groups[0].flips == 0
    assert all(change.value == change.low == change.high == 0 for change in fair.groups[0].changes)


def test_another_reference_turns_the_sign():
    found = counterfactual(table(reference="male"), table().templates, "task:x", biased)
    assert found.reference == "male"
    assert {change.label: change.value for change in found.groups[0].changes}["good"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"substitutions": {"person": {"female": ["a"]}}}, "at least two groups"),
        ({"substitutions": {"person": {"a": ["x"], "b": ["y"]}, "word": {"a": ["x"]}}}, "the same groups"),
        ({"reference": "other"}, 'has no group "other"'),
        ({"templates": []}, "should have templates"),
    ],
)
def test_substitutions_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(RecipeError, match=said):
        table(**changes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no slot", "has no slot"),
        ("{who} is", "unknown slot"),
        ("{person", "is no template"),
        ("{person.x}", "unknown"),
    ],
)
def test_a_broken_template_is_named(text, said, tmp_path):
    (tmp_path / "templates.txt").write_text(f"{{person}} is here\n\n{text}\n", encoding="utf-8")
    given = table(templates=[], path="templates.txt")
    with pytest.raises(DataError, match=said) as caught:
        read_templates(given, tmp_path, "audit.toml")
    assert "line 3" in str(caught.value)


def test_groups_that_are_served_worse_are_found_and_equal_ones_are_not():
    generator = random.Random(0)
    truth = [generator.choice("xyz") for _ in range(600)]
    groups = ["a", "b"] * 300
    worse = [
        true if group == "a" or generator.random() < 0.6 else generator.choice("xyz")
        for true, group in zip(truth, groups, strict=True)
    ]
    found = parity(CLASSIFICATION, "key", groups, truth, worse)
    assert [group.group for group in found.groups] == ["a", "b"]
    assert found.groups[0].value == 1
    assert found.gap == pytest.approx(1 - found.groups[1].value)
    assert found.low > 0.1
    assert found.p == pytest.approx(0.001)
    assert sum(found.groups[1].rates.values()) == pytest.approx(1)
    alike = [true if generator.random() < 0.7 else "x" for true in truth]
    assert parity(CLASSIFICATION, "key", groups, truth, alike).p > 0.05


def test_a_metric_without_counts_works_too():
    metric = MetricSpec(
        "right", "", lambda one, two: {"right": sum(a == b for a, b in zip(one, two, strict=True)) / len(one)}, "right"
    )
    found = parity(metric, "key", list("aaaaaabbbbbb"), list("xyxyxyxyxyxy"), [*"xyxyxy", *"yxyxyx"])
    assert (found.gap, found.groups[0].value, found.groups[1].value) == (1, 1, 0)
    assert found.p < 0.02


def test_counts_balance_and_company_of_the_data():
    rows = [
        Example("she cried", "bad"),
        Example("She won", "good"),
        Example("he won", "good"),
        Example("ashes", "good"),
    ]
    found = data_bias("key", ["f", "f", "m", "m"], rows, ["she", "never"])
    assert found.counts == {"f": {"bad": 1, "good": 1}, "m": {"bad": 0, "good": 2}}
    she, never = found.terms
    assert (she.rows, never.rows) == (2, 0)
    assert she.lift == pytest.approx({"bad": 2.0, "good": 2 / 3})
    assert never.lift == {"bad": 0.0, "good": 0.0}
    assert found.balance == pytest.approx(0.8113, abs=1e-4)


def test_association_is_none_for_equal_shares_and_full_for_labels_that_groups_decide():
    assert association({"a": {"x": 50, "y": 50}, "b": {"x": 50, "y": 50}}) == 0
    assert association({"a": {"x": 100, "y": 0}, "b": {"x": 0, "y": 100}}) == pytest.approx(1)
    assert association({"a": {"x": 3}}) == 0


@given(st.dictionaries(st.text(max_size=2), st.integers(1, 50), min_size=1, max_size=6))
def test_balance_is_a_share_that_equal_counts_fill(counts):
    assert 0 <= balance(counts) <= 1 + 1e-12
    assert balance(dict.fromkeys(counts, 7)) == pytest.approx(1)


def test_an_audit_is_read_back_equal_and_tells_a_card(tmp_path):
    truth, groups = list("xyxyxyxy"), list("aaaabbbb")
    report = AuditReport(
        "An audit",
        "task:x",
        "tiny",
        (parity(CLASSIFICATION, "key", groups, truth, list("xyxyyxyx")),),
        (counterfactual(table(), table().templates, "task:x", biased),),
        (data_bias("key", groups, [Example("she", label) for label in truth], ["she"]),),
        ("A note.",),
    )
    assert AuditReport.from_json(report.to_json()) == report
    for text in ("", "[]", "{}", json.dumps({"schema": 2})):
        with pytest.raises(DataError):
            AuditReport.from_json(text)
    assert summary(report)[1] == (
        "gender: of 12 pairs of texts that differ only in female or male, 12 are answered differently; the probability "
        "of bad changes by +20.0 points on average (95 % interval +20.0 to +20.0)."
    )
    text = report.to_markdown()
    assert [line for line in text.splitlines() if line.startswith("### ")] == [
        "### parity by key",
        "### counterfactual: gender",
        "### labels by key",
        "### terms and labels",
    ]


def test_an_audit_of_nothing_is_refused():
    with pytest.raises(RecipeError, match=r"\[\[dataset\]\]"):
        validate_model(AuditFile, {"stack": "task:x"}, "audit.toml")

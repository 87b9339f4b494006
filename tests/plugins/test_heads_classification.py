"""The classification head."""

from __future__ import annotations

import pytest
import torch

from lect import HeadSpec
from lect.data.examples import Example
from lect.errors import DataError, UserError
from lect.host import Host
from lect.testing.backbones import tiny_backbone
from lect_heads.configs import ClassificationConfig
from lect_heads.pooled import ClassificationHead

LABELS = ("bad", "fair", "good")


@pytest.fixture(scope="module")
def head():
    torch.manual_seed(0)
    return ClassificationHead(ClassificationConfig(hidden=16), tiny_backbone("bert"), LABELS).eval()


def test_padding_does_not_change_the_logits(head):
    hidden = torch.randn(2, 5, 32)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    padded = head(hidden, mask)
    torch.testing.assert_close(padded[0], head(hidden[:1, :3], mask[:1, :3])[0])
    assert padded.shape == (2, 3)


def test_answers_come_with_probabilities_of_every_label(head):
    (first, second) = head.decode(torch.tensor([[0.0, 1.0, 3.0], [2.0, 0.0, 0.0]]))
    assert (first.value, second.value) == ("good", "bad")
    assert first.score == max(first.scores.values())
    assert list(first.scores) == list(LABELS)
    assert sum(first.scores.values()) == pytest.approx(1)


def test_targets_follow_the_order_of_the_labels_and_unknown_ones_are_named(head):
    examples = [Example("x", label="good"), Example("y", label="bad")]
    assert head.targets(examples).tolist() == [2, 0]
    with pytest.raises(DataError, match=r'data.csv, line 3: unknown label "god"; did you mean "good"\?'):
        head.targets([Example("z", label="god", origin="data.csv, line 3")])


def test_the_loss_is_the_mean_over_rows(head):
    logits, targets = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    each = torch.stack([head.loss(logits[row : row + 1], targets[row : row + 1]) for row in range(4)])
    torch.testing.assert_close(head.loss(logits, targets), each.mean())


def weighted(kind, labels, **config):
    spec = Host.load().spec(HeadSpec, kind)
    return spec.build(spec.config(hidden=16, **config), tiny_backbone("bert"), labels)


def test_class_weights_weigh_the_loss_of_each_labels_rows():
    rows = [Example("x", label) for label in ("a", "a", "a", "b")]
    logits = torch.tensor([[2.0, 0.0, 1.0], [1.0, 0.5, 0.0], [0.0, 1.0, 3.0], [0.3, 0.2, 0.1]])
    each = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 0, 0, 1]), reduction="none")
    plain, stated, balanced = (
        weighted("classification", ("a", "b", "c"), class_weights=value) for value in (None, {"b": 5}, "balanced")
    )
    for head in (plain, stated, balanced):
        head.prepare(rows)
    targets = plain.targets(rows)
    assert plain.loss(logits, targets) == pytest.approx(float(each.mean()))
    assert stated.loss(logits, targets) == pytest.approx(float((each * torch.tensor([1.0, 1, 1, 5])).mean()))
    # Three rows of one label and one of the other: scikit-learn's "balanced" weights are 2/3 and 2.
    weights = torch.tensor([2 / 3, 2 / 3, 2 / 3, 2])
    assert balanced.loss(logits, targets) == pytest.approx(float((each * weights).mean()))
    halves = [balanced.loss(logits[part], targets[part]) for part in (slice(2), slice(2, 4))]
    assert sum(halves) / 2 == pytest.approx(float(balanced.loss(logits, targets)))
    assert not any("weight" in name and "output" not in name and "hidden" not in name for name in balanced.state_dict())
    with pytest.raises(UserError, match=r'head\.class_weights: there is no label "d"'):
        weighted("classification", ("a", "b"), class_weights={"d": 2.0})
    with pytest.raises(UserError, match="class_weights"):
        Host.load().configured(HeadSpec, "regression", {"class_weights": "balanced"}, "recipe.toml, head")


def test_class_weights_of_several_labels_weigh_the_rows_that_have_one():
    rows = [Example("x", labels=labels) for labels in (("a",), ("a", "b"), ("a",), ())]
    head = weighted("multi-label", ("a", "b"), class_weights="balanced")
    head.prepare(rows)
    logits = torch.tensor([[0.5, -0.5]] * 4)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, head.targets(rows), pos_weight=torch.tensor([1 / 3, 3.0])
    )
    assert head.loss(logits, head.targets(rows)) == pytest.approx(float(expected))

"""The classification head."""

from __future__ import annotations

import pytest
import torch

from lect.data.examples import Example
from lect.errors import DataError
from lect.testing.backbones import tiny_backbone
from lect_heads.configs import ClassificationConfig
from lect_heads.pooled import ClassificationHead

pytestmark = pytest.mark.models

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
    assert (first.answer, second.answer) == ("good", "bad")
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

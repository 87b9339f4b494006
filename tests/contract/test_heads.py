"""Every head that comes with `lect` keeps the contract."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lect import Example, Head, HeadSpec, Host, Prediction, Span
from lect.data.files import join_words
from lect.testing import HeadContract, head_contract

pytestmark = pytest.mark.models

MOODS = [
    Example("a good day and a good night on the way home", label="good"),
    Example("bad", label="bad"),
    Example("not so bad", text_pair="but not good", label="fair"),
]
UNKNOWN = [Example("x", label="no such label")]


def words(text: str, **fields) -> Example:
    joined, places = join_words(text.split(), [True] * len(text.split()))
    return Example(joined, words=tuple(text.split()), places=places, **fields)


TAGGED = [
    words("the old house in May", tags=("O", "O", "O", "O", "B-T")),
    words("June and July", tags=("B-T", "O", "B-T")),
]
TREES = [
    words("the old house stands", tags=("D", "A", "N", "V"), heads=(3, 3, 4, 0), relations=("det", "a", "s", "root")),
    words("it is", tags=("N", "V"), heads=(2, 0), relations=("s", "root")),
]
ASKED = [
    Example("one happy day in May", question="when?", answers=(Span("May", 17),)),
    Example("two of a kind", question="how many are of a kind?", answers=(Span("two", 0),)),
]
CHOSEN = [
    Example("the day was dark", choices=("it was night", "it was home"), label="0", question="cause"),
    Example("two", choices=("of a kind", "one"), label="1", question="effect"),
]
MATCHED = [
    Example("the old house", text_pair="a house that is old", negatives=("a happy day",)),
    Example("two of a kind", text_pair="alike"),
]

test_classification = head_contract("classification", MOODS, refused=UNKNOWN)
test_classification_balanced = head_contract(
    "classification", MOODS, {"class_weights": "balanced", "layers": 1, "pooling": "first"}
)
test_multi_label = head_contract(
    "multi-label",
    [replace(row, label=None, labels=labels) for row, labels in zip(MOODS, (("a", "b"), (), ("b",)), strict=True)],
    refused=[Example("x", labels=("c",)), Example("x")],
)
test_regression = head_contract(
    "regression",
    [replace(row, label=None, value=value) for row, value in zip(MOODS, (0.9, 0.1, 0.4), strict=True)],
    refused=[Example("x", label="much"), Example("x")],
)
test_tagging = head_contract("tagging", TAGGED, refused=[words("one", tags=("B-PLACE",))])
test_pos = head_contract("pos", TREES, refused=[words("one", tags=("X",))])
test_qa = head_contract("qa", ASKED)
test_qa_no_answer = head_contract("qa", [*ASKED, Example("one", question="when?", answers=())], {"no_answer": True})
test_multiple_choice = head_contract("multiple-choice", CHOSEN, refused=[replace(CHOSEN[0], label="7")])
test_retrieval = head_contract("retrieval", MATCHED)
test_retrieval_learned = head_contract("retrieval", MATCHED, {"projection": 8, "learned": True})
test_parsing = head_contract("parsing", TREES, refused=[replace(TREES[0], relations=("det", "a", "s", "new"))])
test_translation = head_contract(
    "translation",
    [Example("one day", translation="un jour"), Example("two", translation="deux")],
    {"source": "en", "target": "fr", "longest": 4},
)
test_translation_encoder_decoder = head_contract(
    "translation",
    [Example("one day", translation="un jour")] * 2,
    {"source_code": "__en__", "target_code": "__id__", "longest": 4},
    family="m2m_100",
)


def test_every_head_is_here():
    heads = Host.load(report=lambda line: None).specs(HeadSpec).items()
    ours = {name for name, provided in heads if provided.plugin.distribution == "lect-heads"}
    assert {f"test_{name.replace('-', '_')}" for name in ours} <= globals().keys()


class Careless(Head):
    """Answers by what stands beside a row, and learns from whatever there is."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(32))
        self.idle = torch.nn.Parameter(torch.zeros(1))

    def forward(self, hidden_states, attention_mask):
        return hidden_states.mean((1, 2)) - hidden_states.mean()

    def references(self, examples):
        return [example.label for example in examples]

    def targets(self, examples, layout):
        return torch.zeros(len(layout.rows))

    def loss(self, logits, targets):
        return ((logits + self.weight.sum() - targets - 1) ** 2).mean()

    def decode(self, logits, examples, layout):
        return [Prediction(value, value) for value in logits.tolist()]


@pytest.mark.parametrize(
    ("holds", "said"),
    [
        ("predicts_each_example", "are no probabilities"),
        ("rows_stand_alone", "beside others, alone"),
        ("learns_by_its_loss", r"own parameters got no gradient: \['idle'\]"),
        ("refuses_what_it_cannot", "is learned from as if nothing were wrong"),
    ],
)
def test_a_careless_head_does_not_keep_it(holds, said):
    config = Host.load(report=lambda line: None).spec(HeadSpec, "multi-label").config
    spec = HeadSpec("careless", "s", config, lambda config, backbone, labels: Careless())
    with pytest.raises(AssertionError, match=said):
        getattr(HeadContract(spec, tuple(MOODS)), holds)()

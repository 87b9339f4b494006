"""Attributions: complete, in the right words, whatever the family and the tokenizer."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lect import HeadSpec, MethodSpec
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.stack import parse_stack
from lect.data.examples import Example
from lect.engine.engine import Engine
from lect.engine.open import OpenStack
from lect.explain.attention import rollout
from lect.explain.explain import explain
from lect.explain.words import by_word, words_of
from lect.host import Host
from lect.specs import BuildContext, Corpus
from lect.testing.backbones import tiny_backbone

pytestmark = pytest.mark.models

TEXT = "the second text, with a comma"


def opened(family="xlm-roberta", methods=("full",)):
    host = Host.load(report=lambda line: None)
    backbone = tiny_backbone(family)
    model = RoutedModel(backbone)
    torch.manual_seed(0)
    corpus = Corpus(tuple(Example(text, translation=text) for text in ("ߊߋߌ ߊߋߌ ߍߎ", "ߊߋߌ ߏߐ ߍߎ")))
    parts = {}
    for method in methods:
        spec = host.spec(MethodSpec, method)
        values = {"pieces": 8, "initialise": "random"} if method == "vocabulary" else {}
        parts[method] = spec.build(spec.config(**values), BuildContext(backbone, corpus))
    tokenizer = next((part.tokenizer_json for part in parts.values() if part.tokenizer_json), None)
    with torch.no_grad():
        for part in parts.values():
            for parameter in part.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.02)
    spec = host.spec(HeadSpec, "classification")
    head = spec.build(spec.config(), backbone, ("bad", "good"))
    model.attach(Component("lang:x", "lang", parts))
    assert model.components["lang:x"].tokenizer_json == tokenizer
    model.attach(Component("task:x", "task", {}, head))
    keys = ("lang:x", "task:x")
    return OpenStack(parse_stack("lang:x + task:x"), keys, (), Engine(model.eval(), RowEncoder(model)))


@pytest.mark.parametrize("family", ["xlm-roberta", "modernbert", "llama", "t5"])
def test_attributions_sum_to_the_difference_of_logits(family):
    found = explain(opened(family), TEXT, steps=64)
    for variant in found.variants:
        total = sum(token.attribution for token in variant.tokens)
        assert abs(variant.score - variant.baseline) > 1e-4
        # T5's kinks make its integral slower to settle.
        assert total == pytest.approx(variant.score - variant.baseline, rel=0.1, abs=5e-3)
        assert total - variant.gap == pytest.approx(variant.score - variant.baseline)
        assert sum(variant.words) == pytest.approx(total, abs=1e-4)
    assert [word for word, _, _ in found.words] == TEXT.split()
    assert [variant.label for variant in found.variants] == ["lang:x + task:x", "without lang:x"]


def test_tokens_of_an_own_vocabulary_are_explained_too():
    text = "ߊߋߌ ߍߎ"
    found = explain(opened(methods=("vocabulary",)), text, steps=64)
    whole, without = found.variants
    assert [token.token for token in whole.tokens] != [token.token for token in without.tokens]
    assert len(whole.words) == len(without.words) == 2
    assert sum(whole.words) == pytest.approx(whole.score - whole.baseline, abs=5e-3)
    assert found.changes(without) == pytest.approx([a - b for a, b in zip(whole.words, without.words, strict=True)])


@pytest.mark.parametrize("family", ["xlm-roberta", "llama"])
def test_attention_is_shown_and_the_backbone_is_as_before(family):
    stack = opened(family)
    before = stack.backbone.model.config._attn_implementation
    found = explain(stack, TEXT, attention=True, steps=4)
    assert stack.backbone.model.config._attn_implementation == before
    maps = torch.tensor(found.maps)
    assert maps.shape == (2, len(found.variants[0].tokens), len(found.variants[0].tokens))
    assert torch.allclose(maps.sum(-1), torch.ones(maps.shape[:2]), atol=1e-3)
    assert sum(token.rollout for token in found.variants[0].tokens) == pytest.approx(1, abs=1e-4)


def test_rollout_of_even_and_of_idle_attention():
    idle = torch.eye(3).expand(2, 3, 3)
    assert torch.equal(rollout(idle), torch.eye(3))
    even = torch.full((1, 2, 2), 0.5)
    assert torch.allclose(rollout(even), torch.tensor([[0.75, 0.25], [0.25, 0.75]]))


def test_words_stand_between_spaces_or_alone_where_a_script_has_none():
    text = " two words, 日本 x"
    assert [text[start:end] for start, end in words_of(text)] == ["two", "words,", "日", "本", "x"]


@given(st.text(max_size=30), st.lists(st.floats(-5, 5), max_size=30))
def test_nothing_is_lost_when_tokens_become_words(text, values):
    words = words_of(text)
    tokens = [(place, place + 1) for place in range(len(text))][: len(values)]
    total = sum(values[: len(tokens)]) if words else 0
    assert sum(by_word(words, tokens, values[: len(tokens)])) == pytest.approx(total, abs=1e-9)


def test_a_token_over_two_words_is_shared_by_letters():
    assert by_word([(0, 3), (4, 5)], [(0, 5)], [4.0]) == [3.0, 1.0]
    assert by_word([(0, 3)], [(0, 0)], [4.0]) == [0.0]

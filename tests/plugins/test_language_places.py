"""Where bottlenecks and invertible parts act in models of every kind, and what is saved of them."""

from __future__ import annotations

import pytest
import torch
import transformers

from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import RecipeError
from lect.testing.backbones import tiny_backbone
from lect_language.config import BottleneckConfig
from lect_language.part import build_bottleneck

pytestmark = pytest.mark.models


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "smollm3"])
def test_the_places_are_those_of_llama(family):
    llama, other = tiny_backbone("llama").anatomy, tiny_backbone(family).anatomy
    assert (other.layers, other.embeddings) == (llama.layers, llama.embeddings)


def test_gemma_adds_what_its_norms_give():
    """The bottleneck is the last thing before the addition, as in Llama."""
    layer = tiny_backbone("gemma2").anatomy.layers[0]
    assert layer.feed_forward.output == "layers.0.post_feedforward_layernorm"
    assert layer.feed_forward.residual.module == "layers.0.pre_feedforward_layernorm"


@pytest.mark.skipif(transformers.__version__ >= "5", reason="transformers 5 has a place for it")
def test_an_invertible_part_without_a_place_is_refused():
    with pytest.raises(
        RecipeError, match=r"no place for an invertible part.*; install transformers 5 or newer, or set"
    ):
        build_bottleneck(BottleneckConfig(preset="seq_bn_inv"), tiny_backbone("gemma2"))


def test_vectors_are_looked_up_before_they_are_changed():
    """Where the table of tokens is the last module before the layers, new tokens go through the invertible part too."""
    from lect.data.examples import Example
    from lect.specs import BuildContext, Corpus
    from lect_vocabulary.part import build_vocabulary
    from lect_vocabulary.plugin import VocabularyConfig

    backbone = tiny_backbone("mt5")
    examples = (Example("ߛߣߍ߬ ߞߎߘߊ", translation="new way"),) * 4
    tokens = build_vocabulary(VocabularyConfig(pieces=10), BuildContext(backbone, Corpus(examples)))
    bottleneck = build_bottleneck(BottleneckConfig(preset="seq_bn_inv"), backbone)
    torch.nn.init.normal_(next(bottleneck.invertible.parameters()), std=0.5)
    found = []
    for order in (("vocabulary", "bottleneck"), ("bottleneck", "vocabulary")):
        model = RoutedModel(backbone).eval()
        parts = {"vocabulary": tokens, "bottleneck": bottleneck}
        model.attach(Component("lang:nqo", "lang", {name: parts[name] for name in order}))
        rows = RowEncoder(model).encode([examples[0].text], [("lang:nqo",)])
        assert int(rows.input_ids.max()) >= tokens.new_tokens().first
        with torch.no_grad():
            found.append(model(rows))
        model.detach_all()
    assert torch.equal(*found)


def test_a_shared_rule_is_saved_once():
    part = build_bottleneck(BottleneckConfig(preset="compacter", reduction_factor=4), tiny_backbone())
    rules = [
        name for name in Component("lang:jav", "lang", {"bottleneck": part}).tensors() if name.endswith("phm_rule")
    ]
    assert rules == ["bottleneck.layers.0.attention.adapter_down.0.phm_rule"]

"""Bottlenecks on decoders and encoder-decoders give what `adapters` gives with the same weights, where it has them."""

from __future__ import annotations

import copy

import pytest
import torch

from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import RecipeError
from lect.testing.backbones import save_tiny_backbone, tiny_backbone

pytestmark = [pytest.mark.adapters, pytest.mark.models]

TEXTS = ["the old house on the way home", "two", "one more bright day with words that go on", "good"]
FAMILIES = ("gpt2", "llama", "mbart", "mistral", "mt5", "t5")
PRESETS = ("seq_bn", "double_seq_bn", "par_bn", "seq_bn_inv", "double_seq_bn_inv")


def library_model(backbone, folder):
    """The same model, whole, with `adapters` in it."""
    import adapters
    from transformers import AutoModel, AutoModelForTextEncoding

    family = backbone.model.config.model_type
    if backbone.kind == "decoder":
        reference = copy.deepcopy(backbone.model)
    else:
        kind = AutoModelForTextEncoding if family in ("t5", "mt5") else AutoModel
        reference = kind.from_pretrained(save_tiny_backbone(folder / family, family))
    adapters.init(reference)
    return reference.eval()


def holder(layer, block):
    """Where the library keeps a layer's adapters."""
    if hasattr(layer, "output_adapters"):
        return layer.output_adapters if block == "feed_forward" else layer.attention_adapters
    return layer.layer[-1] if block == "feed_forward" else layer.layer[0]


def states_of(reference, rows):
    output = reference(input_ids=rows.input_ids, attention_mask=rows.attention_mask)
    return output.get("encoder_last_hidden_state", output[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_presets_and_their_stacks_equal_the_library(family, tmp_path):
    from adapters import Stack

    from lect_language.config import BottleneckConfig
    from lect_language.part import build_bottleneck

    backbone = tiny_backbone(family)
    model, reference = RoutedModel(backbone).eval(), library_model(backbone, tmp_path)
    for preset in PRESETS:
        part = build_bottleneck(BottleneckConfig(preset=preset), backbone)
        torch.manual_seed(len(model.components))
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        model.attach(Component(preset, "lang", {"bottleneck": part}))
        reference.add_adapter(preset, config=preset)
        theirs = dict(reference.iter_layers())
        for number, blocks in part.layers.items():
            for block, adapter in blocks.items():
                holder(theirs[int(number)], block).adapters[preset].load_state_dict(adapter.state_dict(), strict=False)
        if part.invertible is not None:
            reference.invertible_adapters[preset].load_state_dict(part.invertible.state_dict())
    for stack in [*((preset,) for preset in PRESETS), ("seq_bn_inv", "double_seq_bn"), ("double_seq_bn", "seq_bn")]:
        rows = RowEncoder(model).encode(TEXTS, [stack] * len(TEXTS))
        reference.set_active_adapters(Stack(*stack))
        with torch.no_grad():
            ours = model(rows)
            expected = states_of(reference, rows)
            bare = backbone.model(input_ids=rows.input_ids, attention_mask=rows.attention_mask)[0]
        mask = rows.attention_mask.bool()
        assert not torch.allclose(ours[mask], bare[mask], atol=1e-3)
        torch.testing.assert_close(
            ours[mask], expected[mask], rtol=1e-5, atol=2e-6, msg=lambda text, s=stack: f"{s} {text}"
        )


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "smollm3"])
def test_where_the_library_has_no_adapters_the_places_are_those_of_llama(family):
    llama, other = tiny_backbone("llama").anatomy, tiny_backbone(family).anatomy
    assert (other.layers, other.embeddings) == (llama.layers, llama.embeddings)


def test_gemma_adds_what_its_norms_give():
    """The bottleneck is the last thing before the addition, as in Llama."""
    layer = tiny_backbone("gemma2").anatomy.layers[0]
    assert layer.feed_forward.output == "layers.0.post_feedforward_layernorm"
    assert layer.feed_forward.residual.module == "layers.0.pre_feedforward_layernorm"


def test_an_invertible_part_without_a_place_is_refused():
    from lect_language.config import BottleneckConfig
    from lect_language.part import build_bottleneck

    with pytest.raises(
        RecipeError, match=r"no place for an invertible part.*; install transformers 5 or newer, or set"
    ):
        build_bottleneck(BottleneckConfig(preset="seq_bn_inv"), tiny_backbone("gemma2"))


def test_vectors_are_looked_up_before_they_are_changed():
    """Where the table of pieces is the last module before the layers, new pieces go through the invertible part too."""
    from lect.data.examples import Example
    from lect.specs import BuildContext, Corpus
    from lect_language.config import BottleneckConfig
    from lect_language.part import build_bottleneck
    from lect_vocabulary.part import build_vocabulary
    from lect_vocabulary.plugin import VocabularyConfig

    backbone = tiny_backbone("mt5")
    examples = (Example("ߛߣߍ߬ ߞߎߘߊ", translation="new way"),) * 4
    pieces = build_vocabulary(VocabularyConfig(pieces=10), BuildContext(backbone, Corpus(examples)))
    bottleneck = build_bottleneck(BottleneckConfig(preset="seq_bn_inv"), backbone)
    torch.nn.init.normal_(next(bottleneck.invertible.parameters()), std=0.5)
    found = []
    for order in (("vocabulary", "bottleneck"), ("bottleneck", "vocabulary")):
        model = RoutedModel(backbone).eval()
        parts = {"vocabulary": pieces, "bottleneck": bottleneck}
        model.attach(Component("lang:nqo", "lang", {name: parts[name] for name in order}))
        rows = RowEncoder(model).encode([examples[0].text], [("lang:nqo",)])
        assert int(rows.input_ids.max()) >= pieces.new_pieces().first
        with torch.no_grad():
            found.append(model(rows))
        model.detach_all()
    assert torch.equal(*found)

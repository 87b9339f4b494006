"""Whole models with bottlenecks give exactly what models of `adapters` give with the same weights."""

from __future__ import annotations

import copy

import pytest
import torch

from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import ComponentError
from lect.testing.backbones import TINY_FAMILIES, save_tiny_backbone, tiny_backbone
from lect_language.config import BottleneckConfig
from lect_language.formats.names import FAMILIES, library_names, written_name
from lect_language.part import build_bottleneck
from lect_language.settings import settings_of

pytestmark = [pytest.mark.adapters, pytest.mark.models]

TEXTS = ["the old house on the way home", "two", "one more bright day with words that go on", "good"]
POST_NORM = ("bert", "xlm-roberta", "distilbert", "deberta-v2")
OTHERS = ("deberta", "gpt2", "llama", "mbart", "mistral", "mt5", "qwen2", "qwen3", "roberta", "t5")
TWO_HALVES = ("mbart", "mt5", "t5")
PRESETS = ("seq_bn", "double_seq_bn", "par_bn", "scaled_par_bn", "seq_bn_inv", "double_seq_bn_inv")
VARIATIONS = (
    {"ln_before": True},
    {"residual_before_ln": "post_add"},
    {"original_ln_before": False, "scaling": "channel"},
    {"mh_adapter": True, "reduction_factor": {"1": 2, "default": 8}},
    {"leave_out": [0], "non_linearity": "gelu"},
    {"is_parallel": True, "mh_adapter": True},
    {"inv_adapter": "nice", "inv_adapter_reduction_factor": 4},
)
KRONECKER = (
    {"preset": "compacter"},
    {"preset": "compacter++", "factorized_phm_rule": True},
    {"preset": "compacter", "shared_W_phm": True},
    {"preset": "compacter++", "shared_phm_rule": False, "factorized_phm_W": False},
)


def library_model(backbone, folder):
    """The same model, both halves of it, with `adapters` in it."""
    import adapters
    from transformers import AutoModel

    family = backbone.model.config.model_type
    if family in TWO_HALVES:
        reference = AutoModel.from_pretrained(save_tiny_backbone(folder / family, family, generates=True))
    else:
        reference = copy.deepcopy(backbone.model)
    adapters.init(reference)
    # adapters 1.3.0 gives query-key-value projections without a bias a random one.
    for module in reference.modules():
        if type(module).__name__ == "LoRAMergedLinear" and family in ("deberta", "modernbert"):
            module.bias = None
    return reference.eval()


def states_of(reference, rows):
    """What the first half gives, where there are two."""
    written = {"decoder_input_ids": rows.input_ids} if reference.config.is_encoder_decoder else {}
    output = reference(input_ids=rows.input_ids, attention_mask=rows.attention_mask, **written)
    return output.get("encoder_last_hidden_state", output[0])


def bare_name(name, backbone):
    """A written name as it is in a plain model."""
    return written_name(name, backbone).partition(".")[2]


class Pair:
    """A backbone with our parts, and the library's model with adapters of the same weights."""

    def __init__(self, family, folder):
        self.backbone = tiny_backbone(family, generates=family in TWO_HALVES)
        self.model = RoutedModel(self.backbone).eval()
        self.reference = library_model(self.backbone, folder)
        self.names = {}

    def add(self, name, **config):
        from adapters import BnConfig

        config = BottleneckConfig(**config)
        part = build_bottleneck(config, self.backbone)
        torch.manual_seed(len(self.model.components))
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        self.model.attach(Component(name, "lang", {"bottleneck": part}))
        self.reference.add_adapter(name, config=BnConfig(**settings_of(config).to_dict()))
        theirs, ours = dict(self.reference.named_parameters()), dict(part.named_parameters())
        self.names[name] = {
            bare_name(their_name, self.backbone): our_name
            for their_name, our_name in library_names(part, self.backbone, name).items()
        }
        with torch.no_grad():
            for their_name, our_name in self.names[name].items():
                if their_name in theirs:
                    theirs[their_name].copy_(ours[our_name])

    def run(self, *names):
        """The hidden states of ours, of the library's, and of the bare backbone."""
        from adapters import Stack

        rows = RowEncoder(self.model).encode(TEXTS, [names] * len(TEXTS))
        self.reference.set_active_adapters(Stack(*names))
        mask = rows.attention_mask.bool()
        with torch.no_grad():
            bare = self.backbone.model(input_ids=rows.input_ids, attention_mask=rows.attention_mask)[0]
        return self.model(rows)[mask], states_of(self.reference, rows)[mask], bare[mask]

    def difference(self, *names):
        with torch.no_grad():
            ours, theirs, bare = self.run(*names)
        assert not torch.allclose(ours, bare, atol=1e-3)
        return float((ours - theirs).abs().max())

    def difference_of_gradients(self, name):
        ours, theirs, _ = self.run(name)
        for output in (ours, theirs):
            (output * torch.linspace(-1, 1, output.shape[-1])).mean().backward()
        own = dict(self.model.components[name].parts["bottleneck"].named_parameters())
        found = dict(self.reference.named_parameters())
        pairs = [(own[ours].grad, found[theirs].grad) for theirs, ours in self.names[name].items() if theirs in found]
        assert any(float(one.abs().max()) > 1e-4 for one, _ in pairs)
        return max(float((one - other).abs().max()) for one, other in pairs)


@pytest.fixture
def pair(tmp_path):
    return lambda family: Pair(family, tmp_path)


@pytest.mark.parametrize("family", POST_NORM)
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_equals_the_library(pair, family, preset):
    both = pair(family)
    both.add("jav", preset=preset)
    assert both.difference("jav") <= 1e-6
    assert both.difference_of_gradients("jav") <= 1e-6


@pytest.mark.parametrize("changes", VARIATIONS, ids=str)
def test_a_variation_equals_the_library(pair, changes):
    both = pair("xlm-roberta")
    both.add("jav", **changes)
    assert both.difference("jav") <= 1e-6


@pytest.mark.parametrize("changes", KRONECKER, ids=str)
def test_kronecker_products_equal_the_library(pair, changes):
    both = pair("bert")
    both.add("jav", reduction_factor=4, **changes)
    assert both.difference("jav") <= 1e-6
    assert both.difference_of_gradients("jav") <= 1e-6


@pytest.mark.parametrize("family", POST_NORM)
def test_a_stack_of_language_and_task_equals_the_library(pair, family):
    both = pair(family)
    both.add("jav", preset="seq_bn_inv")
    both.add("sentiment")
    assert both.difference("jav", "sentiment") <= 1e-6
    assert both.difference("sentiment") <= 1e-6


@pytest.mark.parametrize("preset", ["double_seq_bn", "double_seq_bn_inv"])
def test_a_pre_norm_model_equals_the_library(pair, preset):
    # Of presets that use the residual, the library takes what comes out of the norm for it there.
    both = pair("modernbert")
    both.add("jav", preset=preset)
    assert both.difference("jav") <= 1e-6


@pytest.mark.parametrize("family", OTHERS)
@torch.no_grad()
def test_other_families_and_their_stacks_equal_the_library(pair, family):
    both = pair(family)
    presets = ("seq_bn", "double_seq_bn", "par_bn", "seq_bn_inv", "double_seq_bn_inv")
    for preset in presets:
        both.add(preset, preset=preset)
    stacks = [*((preset,) for preset in presets), ("seq_bn_inv", "double_seq_bn"), ("double_seq_bn", "seq_bn")]
    for stack in stacks:
        ours, theirs, bare = both.run(*stack)
        assert not torch.allclose(ours, bare, atol=1e-3)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-6, msg=lambda text, s=stack: f"{s} {text}")


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_names_are_those_that_the_library_saves(family, tmp_path):
    import adapters
    from adapters.loading import AdapterLoader

    backbone = tiny_backbone(family, generates=family in TWO_HALVES)
    invertible = "none" if backbone.anatomy.embeddings is None else "nice"
    config = BottleneckConfig(
        preset="compacter",
        reduction_factor=4,
        ln_before=True,
        inv_adapter=invertible,
        inv_adapter_before_projection=True,
    )
    reference = library_model(backbone, tmp_path)
    reference.add_adapter("jav", config=adapters.BnConfig(**settings_of(config).to_dict()))
    saved = {name for name in reference.state_dict() if AdapterLoader(reference).filter_func("jav")(f".{name}")}
    part = build_bottleneck(config, backbone)
    assert {bare_name(name, backbone) for name in library_names(part, backbone, "jav")} == saved
    assert reference.base_model_prefix == FAMILIES[family].prefix
    kinds = {kind.__name__: model.__name__ for kind, model in adapters.ADAPTER_MODEL_MAPPING.items()}
    assert kinds.get(type(backbone.model.config).__name__) == FAMILIES[family].model_class


@pytest.mark.parametrize("family", sorted({*TINY_FAMILIES} - {*FAMILIES, "gemma2", "gemma3_text"}))
def test_families_that_the_library_does_not_know(family):
    import adapters

    backbone = tiny_backbone(family)
    part = build_bottleneck(BottleneckConfig(), backbone)
    with pytest.raises(ComponentError, match=r"adapters (has no place|changes both halves)"):
        library_names(part, backbone, "jav")
    with pytest.raises(ValueError, match="not pre-supported"):
        adapters.init(copy.deepcopy(backbone.model))

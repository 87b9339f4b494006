"""Methods of `peft` on decoders and encoder-decoders: their usual targets are there, and give what `peft` gives."""

from __future__ import annotations

import copy

import peft
import pytest
import torch
from peft.utils.constants import (
    TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING,
    TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING,
)

from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import RecipeError
from lect.testing.backbones import TINY_FAMILIES, tiny_backbone
from lect_lora.build import build_part, find_targets
from lect_lora.config import Ia3Config, LoraConfig
from lect_lora.settings import library_config

pytestmark = pytest.mark.models

TEXTS = ["the old house on the way home", "two", "one more bright day with words that go on", "good"]
USUAL = sorted((set(TINY_FAMILIES) - {"gpt2"}) & TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING.keys())
WIDER = ("gemma2", "llama", "m2m_100", "mbart", "mt5", "qwen3", "t5")


@pytest.mark.parametrize("family", USUAL)
def test_the_usual_targets_of_peft_are_found(family):
    backbone = tiny_backbone(family)
    usual = TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING[family]
    theirs = peft.get_peft_model(copy.deepcopy(backbone.model), peft.LoraConfig())
    assert find_targets(list(usual), backbone, "here") == theirs.targeted_module_names


@pytest.mark.parametrize("family", WIDER)
def test_lora_gives_what_peft_gives(family):
    backbone = tiny_backbone(family)
    config = LoraConfig(r=4)
    part = build_part(config, backbone, fresh=True)
    targets = list(part.sites())
    assert targets == list(backbone.anatomy.linears)
    reference = peft.get_peft_model(copy.deepcopy(backbone.model), library_config(config, targets)).eval()
    torch.manual_seed(0)
    for path in targets:
        theirs, ours = reference.base_model.model.get_submodule(path), part.linears.get_submodule(path)
        for name in ("lora_A", "lora_B"):
            weight = getattr(ours, name)["default"].weight
            torch.nn.init.normal_(weight, std=0.2)
            getattr(theirs, name)["default"].weight.data.copy_(weight.detach())
    model = RoutedModel(backbone)
    model.attach(Component("lang:a", "lang", {"lora": part}))
    model.eval()
    rows = RowEncoder(model).encode(TEXTS, [("lang:a",)] * len(TEXTS))
    mask = rows.attention_mask.bool()
    with torch.no_grad():
        ours = model(rows)[mask]
        expected = reference(input_ids=rows.input_ids, attention_mask=rows.attention_mask)[0][mask]
        bare = backbone.model(input_ids=rows.input_ids, attention_mask=rows.attention_mask)[0][mask]
    assert not torch.allclose(ours, bare, atol=1e-3)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("family", ["gemma2", "llama", "mistral", "qwen3", "t5"])
def test_ia3_scales_what_goes_into_the_projection_that_ends_a_feed_forward_block(family):
    part = build_part(Ia3Config(), tiny_backbone(family), fresh=True)
    scaled = {path.rsplit(".", 1)[-1] for path in part.sites() if part.linears.get_submodule(path).is_feedforward}
    assert scaled == set(TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING[family])


def test_projections_of_another_kind_are_refused():
    with pytest.raises(RecipeError, match=r'the projections of "tiny-gpt2" are of a kind of its own.*; use the method'):
        build_part(LoraConfig(r=4), tiny_backbone("gpt2"), fresh=True)

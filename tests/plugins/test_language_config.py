"""Configurations of bottlenecks: what is built, and what is refused with which reason."""

from __future__ import annotations

import pytest
import torch

from lect.errors import RecipeError
from lect.testing.backbones import tiny_backbone
from lect.validation import validate_model


@pytest.fixture
def built():
    from lect_language.config import BottleneckConfig
    from lect_language.part import build_bottleneck

    def build(family="xlm-roberta", **config):
        torch.manual_seed(0)
        return build_bottleneck(
            validate_model(BottleneckConfig, config, "recipe.toml, parts[0]"), tiny_backbone(family)
        )

    return build


def names(part):
    return {name for name, _ in part.named_parameters()}


def test_names_say_where_a_parameter_stands(built):
    assert "layers.1.feed_forward.adapter_down.0.weight" in names(built())
    assert "layers.0.attention.adapter_up.bias" in names(built(preset="double_seq_bn"))
    assert "invertible.F.0.weight" in names(built(preset="par_bn_inv"))


def test_a_preset_can_be_changed(built):
    part = built(preset="seq_bn_inv", inv_adapter="none", reduction_factor=8, leave_out=[0])
    assert names(part) == {
        f"layers.1.feed_forward.{name}"
        for name in ("adapter_down.0.weight", "adapter_down.0.bias", "adapter_up.weight", "adapter_up.bias")
    }
    assert part.state_dict()["layers.1.feed_forward.adapter_down.0.weight"].shape == (4, 32)


def test_each_layer_can_have_its_own_size(built):
    weights = built(reduction_factor={"0": 2, "default": 8}).state_dict()
    assert weights["layers.0.feed_forward.adapter_down.0.weight"].shape == (16, 32)
    assert weights["layers.1.feed_forward.adapter_down.0.weight"].shape == (4, 32)


def test_the_random_state_decides_on_the_start(built):
    from lect_language.config import BottleneckConfig
    from lect_language.part import build_bottleneck

    first, again = built().state_dict(), built().state_dict()
    other = build_bottleneck(BottleneckConfig(), tiny_backbone()).state_dict()
    key = "layers.0.feed_forward.adapter_down.0.weight"
    assert torch.equal(first[key], again[key])
    assert not torch.equal(first[key], other[key])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"preset": "seqbn"}, "recipe.toml, parts[0].preset: input should be 'seq_bn'"),
        ({"inv_adapter": "glow"}, "cannot be run"),
        ({"original_ln_after": False}, "the frozen backbone adds its residual"),
        ({"use_gating": True}, "mean over the padding"),
        ({"reduction_faktor": 2}, 'unknown field "reduction_faktor"; did you mean "reduction_factor"?'),
        ({"reduction_factor": 0}, "greater than 0"),
        ({"reduction_factor": {"first": 2}}, '"first" should be the number of a layer'),
        ({"reduction_factor": {"0": 2}}, "layer 1 has no reduction factor"),
        ({"reduction_factor": {"7": 2, "default": 2}}, '"tiny-xlm-roberta" has no layer 7; its layers are 0 to 1'),
        ({"leave_out": [2]}, "has no layer 2"),
        ({"leave_out": [0, 1]}, "no layer is left"),
        ({"non_linearity": "rellu"}, 'there is no activation "rellu"; did you mean "relu"?'),
        ({"output_adapter": False}, "are all off"),
        ({"preset": "double_seq_bn", "residual_before_ln": "post_add"}, "set original_ln_before = true"),
        ({"phm_layer": True, "init_weights": "houlsby"}, 'set init_weights = "bert"'),
        ({"preset": "compacter", "shared_W_phm": True, "factorized_phm_W": False}, "must be factorised"),
        ({"preset": "compacter", "reduction_factor": 3}, "phm_dim"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_one_line(built, config, message):
    with pytest.raises(RecipeError) as caught:
        built(**config)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_norm_that_is_not_there_is_missed(built):
    with pytest.raises(RecipeError, match='"post_add" needs a norm after each block'):
        built("modernbert", residual_before_ln="post_add")

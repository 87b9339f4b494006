"""Many bottlenecks in one batch act at once, and every row gives what it gives alone."""

from __future__ import annotations

import pytest
import torch

from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.mixed import MixedPart
from lect.composition.model import RoutedModel
from lect.storage.assemble import weighted
from lect.testing.backbones import tiny_backbone

pytestmark = pytest.mark.models

TEXTS = [
    "the old house on the way home",
    "two",
    "one more bright day with words that go on",
    "good",
    "a dark one",
    "that is",
]
LINEAR = (
    {},
    {"preset": "double_seq_bn"},
    {"preset": "par_bn"},
    {"preset": "seq_bn_inv"},
    {"residual_before_ln": False},
)
OTHERS = ({"ln_after": True}, {"preset": "compacter++"}, {"scaling": "channel"}, {"non_linearity": "prelu"})


def attach(model, configs):
    from lect_language.config import BottleneckConfig
    from lect_language.part import build_bottleneck

    for index, config in enumerate(configs):
        torch.manual_seed(index)
        part = build_bottleneck(BottleneckConfig(**{"reduction_factor": 4, **config}), model.backbone)
        with torch.no_grad():
            for parameter in part.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        model.attach(Component(f"lang:{index}", "lang", {"bottleneck": part}, None))


def run(model, texts, stacks):
    rows = RowEncoder(model).encode(texts, stacks)
    hidden = model(rows)
    return [states[mask.bool()] for states, mask in zip(hidden, rows.attention_mask, strict=True)]


def ran_alone(model):
    """A list that gets a bottleneck's name whenever it runs by itself."""
    from lect_language.layers import Bottleneck

    ran = []
    for name, module in model.named_modules():
        if isinstance(module, Bottleneck):
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    return ran


def check(model, stacks):
    parameters = [
        parameter for key in model.components for parameter in model.components[key].parts["bottleneck"].parameters()
    ]
    mixed = run(model, TEXTS, stacks)
    alone = [run(model, [text], [stack])[0] for text, stack in zip(TEXTS, stacks, strict=True)]
    for one, other in zip(mixed, alone, strict=True):
        assert (one - other).abs().max() < 1e-5

    def gradients(outputs):
        total = sum((states * torch.linspace(-1, 1, states.shape[-1])).sum() for states in outputs)
        return torch.autograd.grad(total, parameters, allow_unused=True)

    for one, other in zip(gradients(mixed), gradients(alone), strict=True):
        one, other = (torch.zeros(()) if gradient is None else gradient for gradient in (one, other))
        assert (one - other).abs().max() <= 1e-4 * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize("family", ["bert", "distilbert", "modernbert"])
@pytest.mark.parametrize("config", LINEAR, ids=str)
def test_those_of_one_kind_act_at_once(family, config):
    model = RoutedModel(tiny_backbone(family)).eval()
    attach(model, [config] * 4)
    ran = ran_alone(model)
    stacks = [("lang:0",), ("lang:1",), (), ("lang:2", "lang:3"), ("lang:0", "lang:1"), ("lang:3",)]
    run(model, TEXTS, stacks)
    assert ran == []
    check(model, stacks)


@pytest.mark.parametrize("config", OTHERS, ids=str)
def test_those_with_more_to_them_go_one_by_one(config):
    model = RoutedModel(tiny_backbone("bert")).eval()
    attach(model, [config] * 3)
    ran = ran_alone(model)
    check(model, [("lang:0",), ("lang:1",), (), ("lang:2",), ("lang:0",), ("lang:1",)])
    assert ran


def test_those_of_several_kinds_go_one_by_one():
    model = RoutedModel(tiny_backbone("bert")).eval()
    attach(model, [{}, {"reduction_factor": 2}, {"non_linearity": "gelu"}, {"leave_out": [0]}])
    ran = ran_alone(model)
    check(model, [("lang:0",), ("lang:1",), ("lang:2",), ("lang:3",), (), ("lang:0", "lang:1")])
    assert ran


@pytest.mark.parametrize(
    ("config", "at_once"),
    [({}, True), ({"preset": "double_seq_bn"}, True), ({"preset": "par_bn"}, True), ({"scaling": 2.0}, True)]
    + [(config, False) for config in ({"preset": "seq_bn_inv"}, {"residual_before_ln": False}, {"ln_after": True})],
)
def test_languages_at_part_of_their_strength(config, at_once):
    """As gates choose it: each changes so much less, and where that can be, they act at once as others do."""
    model = RoutedModel(tiny_backbone("xlm-roberta"))
    attach(model, [config] * 3)
    strengths = (0.5, 0.75, 0.25)
    for index, strength in enumerate(strengths):
        member = model.components[f"lang:{index}"]
        model.attach(weighted(f"gated:{index}", strength, [member]))
        model.attach(Component(f"mixed:{index}", "lang", {"mixed": MixedPart([member], [strength])}))
    model.eval()
    ran = ran_alone(model)
    with torch.no_grad():
        gated = run(model, TEXTS, [(f"gated:{index % 3}",) for index in range(len(TEXTS))])
        assert bool(ran) != at_once
        mixed = run(model, TEXTS, [(f"mixed:{index % 3}",) for index in range(len(TEXTS))])
        whole = run(model, TEXTS, [(f"lang:{index % 3}",) for index in range(len(TEXTS))])
    for own, other, full in zip(gated, mixed, whole, strict=True):
        assert (own - other).abs().max() < 1e-5
        assert (own - full).abs().max() > 1e-3

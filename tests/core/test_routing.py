"""Rows of a mixed batch: each exactly what it would be alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from profiles import DEAR
from torch import nn

from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.errors import StackError
from lect.parts import Part
from lect.testing.backbones import tiny_backbone

pytestmark = pytest.mark.models


class Added(Part):
    """Adds a linear map of the input to what stands below."""

    def __init__(self, sites, features, seed):
        super().__init__()
        self._sites = tuple(sites)
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(len(self._sites), features, generator=generator) * 0.5)

    def sites(self):
        return self._sites

    def at(self, site, inner, inputs, context):
        below = inner(inputs)
        return below + below.roll(1, -1) * self.weight[self._sites.index(site)]


class Rescaled(Added):
    """Gives the module another input, as IA3 does at feed-forward projections."""

    def reads_input(self, site):
        return True

    def at(self, site, inner, inputs, context):
        return inner(inputs * 1.5) + self.weight[self._sites.index(site)]


class Residual(Added):
    """Uses the sublayer's residual, as a parallel bottleneck does."""

    def at(self, site, inner, inputs, context):
        assert context.residual is not None
        assert context.residual.shape[0] == inputs.shape[0]
        return inner(inputs) + context.residual * self.weight[self._sites.index(site)]


KINDS = (Added, Rescaled, Residual)
FAMILIES = ("bert", "xlm-roberta", "distilbert", "deberta-v2", "modernbert")


@pytest.fixture(scope="module", params=FAMILIES)
def model(request):
    backbone = tiny_backbone(request.param)
    model = RoutedModel(backbone)
    sublayers = [layer.feed_forward.output for layer in backbone.anatomy.layers]
    attention = [layer.attention.output for layer in backbone.anatomy.layers]
    for index, kind in enumerate(KINDS):
        sites = sublayers if index % 2 else sublayers + attention
        for seed in (0, 1):
            part = kind(sites, backbone.hidden_size, seed)
            model.attach(Component(f"lang:{kind.__name__}{seed}", "lang", {"toy": part}))
    return model.eval()


def outputs(model, texts, stacks):
    rows = RowEncoder(model).encode(texts, stacks)
    return rows, model(rows)


TEXTS = ["a short one", "another text that is longer than the first", "b", "c d e f g", "once more, with commas"]
KEYS = tuple(f"lang:{kind.__name__}{seed}" for kind in KINDS for seed in (0, 1))
STACKS = st.lists(st.sampled_from(KEYS), max_size=3, unique=True).map(tuple)


@DEAR
@given(rows=st.lists(st.tuples(st.sampled_from(TEXTS), STACKS), min_size=1, max_size=7))
def test_every_row_of_a_mixed_batch_is_what_it_is_alone(model, rows):
    texts, stacks = [text for text, _ in rows], [stack for _, stack in rows]
    with torch.no_grad():
        mixed, hidden = outputs(model, texts, stacks)
        for index, (text, stack) in enumerate(rows):
            alone, expected = outputs(model, [text], [stack])
            length = int(mixed.attention_mask[index].sum())
            assert length == int(alone.attention_mask[0].sum())
            torch.testing.assert_close(hidden[index, :length], expected[0], rtol=1e-4, atol=1e-5)


def test_different_stacks_give_different_outputs(model):
    with torch.no_grad():
        _, hidden = outputs(model, [TEXTS[0]] * 7, [(), *((key,) for key in KEYS)])
    for first in range(7):
        for second in range(first):
            assert (hidden[first] - hidden[second]).abs().max() > 1e-3


def test_gradients_of_a_mixed_batch_are_the_sum_of_each_row_alone(model):
    stacks = [
        ("lang:Added0", "lang:Residual1"),
        (),
        ("lang:Rescaled0",),
        ("lang:Residual1", "lang:Added1"),
        ("lang:Added0",),
    ]

    def gradients(texts, stacks):
        model.zero_grad(set_to_none=True)
        rows, hidden = outputs(model, texts, stacks)
        if not hidden.requires_grad:
            return {}
        (hidden.float() * rows.attention_mask.unsqueeze(-1)).pow(2).sum().backward()
        return {
            name: parameter.grad.clone()
            for name, parameter in model.parts.named_parameters()
            if parameter.grad is not None
        }

    mixed = gradients(TEXTS, stacks)
    expected = {}
    for text, stack in zip(TEXTS, stacks, strict=True):
        for name, gradient in gradients([text], [stack]).items():
            expected[name] = expected.get(name, 0) + gradient
    assert mixed.keys() == expected.keys()
    assert not any("Rescaled1" in name for name in mixed)
    for name, gradient in mixed.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-3 * float(expected[name].abs().max()))
    assert all(parameter.grad is None for parameter in model.encoder.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_detaching_restores_the_backbone_to_the_bit(family):
    backbone = tiny_backbone(family)
    model = RoutedModel(backbone).eval()
    fingerprint = backbone.fingerprint
    with torch.no_grad():
        _, before = outputs(model, TEXTS, [()] * 5)
    sites = [sublayer.output for layer in backbone.anatomy.layers for sublayer in (layer.attention, layer.feed_forward)]
    model.attach(Component("lang:a", "lang", {"toy": Residual(sites, backbone.hidden_size, 0)}))
    model.attach(Component("lang:b", "lang", {"toy": Rescaled(sites, backbone.hidden_size, 0)}))
    with torch.no_grad():
        _, during = outputs(model, TEXTS, [("lang:a", "lang:b")] * 5)
    assert not torch.equal(before, during)
    model.detach("lang:a")
    model.detach("lang:b")
    with torch.no_grad():
        _, after = outputs(model, TEXTS, [()] * 5)
    assert torch.equal(before, after)
    assert tiny_backbone(family).fingerprint == fingerprint
    for module in backbone.model.modules():
        assert "forward" not in module.__dict__
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_one_group_is_never_indexed(monkeypatch):
    backbone = tiny_backbone("xlm-roberta")
    model = RoutedModel(backbone)
    seen = []

    class Watching(Added):
        def at(self, site, inner, inputs, context):
            seen.append(inputs.data_ptr())
            return inner(inputs)

    site = backbone.anatomy.layers[0].feed_forward.output
    given = []
    backbone.module(site).register_forward_pre_hook(lambda _module, inputs: given.append(inputs[0].data_ptr()))
    model.attach(Component("lang:w", "lang", {"toy": Watching([site], backbone.hidden_size, 0)}))
    with torch.no_grad():
        outputs(model, TEXTS, [("lang:w",)] * 5)
    assert seen == given


def test_attaching_twice_and_routing_to_what_is_not_there_are_refused(model):
    component = model.components["lang:Added0"]
    with pytest.raises(StackError, match="attached already"):
        model.attach(component)
    with pytest.raises(StackError, match='"lang:nowhere" is not attached'):
        model(EncodedRows(torch.tensor([[0, 5, 2]]), torch.ones(1, 3), None, Routes.uniform(("lang:nowhere",), 1)))
    with pytest.raises(StackError, match="is not attached"):
        model.detach("lang:nowhere")

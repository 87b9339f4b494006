"""Layers below which the stacks of a text do not differ are computed once, and every row is what it is alone."""

from __future__ import annotations

import pytest
import torch

from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.sharing import hidden_states, shared_layers
from lect.data.examples import Example
from lect.engine.engine import Engine
from lect.host import Host
from lect.specs import BuildContext, Corpus
from lect.storage.restore import build_head, build_part
from lect.testing.backbones import TINY_FAMILIES, tiny_backbone

TEXTS = ["the old house on the way home", "two", "kata itu dan on the way"]
PASS_MORE = {"t5", "mt5", "umt5"}
"""Families whose first layer also gives what positions add to attention."""


@pytest.fixture(scope="module")
def host():
    return Host.load(report=lambda line: None)


def attach(model, host, key, config, labels=()):
    """Attach a LoRA of random weights, and a head where there are labels."""
    part = build_part(host, "lora", config, BuildContext(model.backbone, Corpus(())), key)
    for parameter in part.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    head = build_head(host, "classification", {}, model.backbone, labels, key) if labels else None
    model.attach(Component(key, key.partition(":")[0], {"lora": part}, head))


@pytest.fixture
def model(host):
    torch.manual_seed(0)
    model = RoutedModel(tiny_backbone("xlm-roberta", layers=4)).eval()
    attach(model, host, "lang:a", {"r": 2})
    for name in "xyz":
        attach(model, host, f"task:{name}", {"r": 2, "layers_to_transform": [3]}, ("bad", "good", name))
    return model


def layers_computed(model):
    """A list to which the rows of every call of a layer are added."""
    model.span()  # which passes one token through, once
    counted = []
    for path in model.backbone.anatomy.layer_paths:
        query = model.backbone.module(f"{path}.attention.self.query")
        query.register_forward_pre_hook(lambda _module, inputs: counted.append(len(inputs[0])))
    return counted


@pytest.mark.parametrize("family", sorted(TINY_FAMILIES))
def test_a_pass_that_begins_between_two_layers_gives_what_the_whole_pass_gives(family):
    model = RoutedModel(tiny_backbone(family, layers=3)).eval()
    rows = RowEncoder(model).encode(TEXTS, [()] * len(TEXTS))
    depths = model.depths.beginnings([()])
    assert depths == ([] if family in PASS_MORE else [3])
    with torch.no_grad():
        whole = model(rows)
        for depth in range(1, depths[0] + 1 if depths else 1):
            lower = model(rows, model.span(stop=depth))
            # What stands in the padding hangs on nothing that is kept.
            lower = lower.masked_fill(~rows.attention_mask.bool().unsqueeze(-1), 0.0)
            upper = model(rows, model.span(start=depth, given=lower))
            for own, expected, length in zip(upper, whole, rows.attention_mask.sum(1), strict=True):
                torch.testing.assert_close(own[:length], expected[:length], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(model(rows), whole, atol=0, rtol=0)


def test_several_tasks_on_a_text_share_the_layers_below_them(model):
    engine, counted = Engine(model), layers_computed(model)
    stacks = [("lang:a", f"task:{name}") for name in "xyz"]
    rows = [(Example(text), stack) for stack in stacks for text in TEXTS]
    mixed = list(engine.predictions(rows))
    # Three texts through the three lower layers once, and through the last one for each of three tasks.
    assert sum(counted) == 3 * 3 + 9
    for (example, stack), prediction in zip(rows, mixed, strict=True):
        (alone,) = engine.predict([example], stack)
        assert alone.value == prediction.value
        assert prediction.scores == pytest.approx(alone.scores, abs=1e-5)


def test_stacks_that_differ_from_the_first_layer_on_share_nothing(model):
    rows = RowEncoder(model).encode([TEXTS[0]] * 2, [("task:x",), ("lang:a", "task:x")])
    assert shared_layers(model, rows) is None
    # Nor do other texts.
    assert shared_layers(model, RowEncoder(model).encode(TEXTS, [("task:x",)] * 3)) is None


def test_rows_of_one_text_and_stack_are_computed_once(model):
    counted = layers_computed(model)
    rows = RowEncoder(model).encode([TEXTS[0], TEXTS[1], TEXTS[0]], [("lang:a",)] * 3)
    with torch.no_grad():
        states = hidden_states(model, rows)
        assert sum(counted) == 4 * 2
        torch.testing.assert_close(states[2], states[0], atol=0, rtol=0)
        torch.testing.assert_close(states, model(rows), atol=1e-5, rtol=1e-5)


def test_gradients_reach_what_acts_above(model):
    model.train()
    rows = RowEncoder(model).encode(TEXTS[:2] * 2, [("lang:a", "task:x")] * 2 + [("lang:a", "task:y")] * 2)
    trained = list(model.components["task:x"].parts["lora"].parameters())
    for parameter in trained:
        parameter.requires_grad_(True)
    found = []
    for run in (model, lambda batch: hidden_states(model, batch)):
        (run(rows) ** 2 * rows.attention_mask.unsqueeze(-1)).sum().backward()
        found.append([parameter.grad.clone() for parameter in trained])
        for parameter in trained:
            parameter.grad = None
    for own, expected in zip(*found, strict=True):
        torch.testing.assert_close(own, expected, atol=1e-4, rtol=1e-4)


def test_routes_of_some_rows_keep_their_stacks():
    routes = Routes.of([("a",), ("b",), ("a",), ()])
    assert routes.chosen([3, 0, 1]).stacks == [(), ("a",), ("b",)]

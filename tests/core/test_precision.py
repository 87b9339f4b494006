"""What a model computes in: int8 by itself, beside parts, for each row alone, in training; and what auto takes."""

from __future__ import annotations

import json

import pytest
import torch
from torch.nn import functional

from lect.backbones import precision as formats
from lect.backbones.int8 import Int8Products, Int8Rows, Int8Weight, largest_weight, quantised_projections
from lect.backbones.precision import computing_in, resolve_precision
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.engine.engine import Engine
from lect.errors import BackboneError, UserError
from lect.host import Host
from lect.specs import BuildContext, Corpus
from lect.storage.restore import build_head, build_part
from lect.testing.backbones import tiny_backbone

pytestmark = pytest.mark.models

CPU = torch.device("cpu")
TEXTS = [f"the old house {'on the way ' * (row % 4)}{row}" for row in range(7)]
METHODS = {"bottleneck": {"reduction_factor": 4}, "lora": {"r": 2}, "dora": {"r": 2}, "pissa": {"r": 2}}


@pytest.fixture(scope="module")
def engine():
    """A part of each of these methods, and two heads."""
    host = Host.load(report=lambda line: None)
    model = RoutedModel(tiny_backbone("xlm-roberta"))
    torch.manual_seed(0)
    for name, config in METHODS.items():
        part = build_part(host, name, config, BuildContext(model.backbone, Corpus(())), name)
        for parameter in part.parameters():
            if parameter.requires_grad:
                parameter.data += torch.randn_like(parameter) * 0.05
        head = build_head(host, "classification", {}, model.backbone, ("bad", "good"), name)
        model.attach(Component(f"task:{name}", "task", {name: part}, head))
    return Engine(model.eval(), RowEncoder(model))


@pytest.fixture
def in_int8(engine):
    engine.precision = "int8"
    yield engine
    engine.precision = "float32"


def test_a_product_is_what_the_integers_give_and_near_the_exact_one():
    torch.manual_seed(0)
    inputs, weight, bias = torch.randn(9, 48) + 1, torch.randn(20, 48), torch.randn(20)
    rows, quantised = Int8Rows.of(inputs), Int8Weight.of(weight)
    integers = (weight / quantised.scales[:, None]).round()
    assert integers.abs().max() == largest_weight()
    # In double precision from the same integers, not by the same kernel.
    summed = rows.integers.double() @ integers.double().T
    expected = (summed * rows.scales + rows.offsets * integers.double().sum(1)) * quantised.scales + bias
    found = quantised.product(rows, bias)
    torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-4)
    exact = functional.linear(inputs, weight, bias)
    assert (found - exact).norm() < 0.02 * exact.norm()


def test_nothing_overflows_at_the_largest_integers():
    weight = torch.ones(16, 256) * torch.tensor([1.0, -1.0]).repeat(8)[:, None]
    inputs = torch.cat([torch.zeros(1, 1), torch.ones(1, 255)], 1)
    found = Int8Weight.of(weight).product(Int8Rows.of(inputs), None)
    torch.testing.assert_close(found, functional.linear(inputs, weight))


@pytest.mark.parametrize("extreme", [0.0, 1e6, -1e6])
def test_a_token_is_quantised_by_itself(extreme):
    torch.manual_seed(0)
    own, weight = torch.randn(3, 48), Int8Weight.of(torch.randn(20, 48))
    beside = torch.cat([torch.full((5, 48), extreme), own, torch.randn(2, 48) * 1000])
    found = weight.product(Int8Rows.of(beside), None)
    assert torch.equal(found[5:8], weight.product(Int8Rows.of(own), None))
    torch.testing.assert_close(found[0], weight.sums[0] * extreme, rtol=1e-4, atol=1e-3)


def test_stacks_give_nearly_what_they_give_in_float32_each_row_as_alone(engine):
    stacks = [(), *((f"task:{name}",) for name in METHODS)]
    rows = [(text, stacks[place % len(stacks)]) for place, text in enumerate(TEXTS)]
    exact = torch.stack(list(engine.vectors(rows)))
    engine.precision = "int8"
    try:
        mixed = torch.stack(list(engine.vectors(rows)))
        alone = torch.cat([engine.embed([text], keys) for text, keys in rows])
    finally:
        engine.precision = "float32"
    assert not torch.equal(mixed, exact)
    torch.testing.assert_close(mixed, exact, atol=0.1, rtol=0.1)
    # What is rounded to integers may fall to either side of a half by the order in which float32 was summed.
    torch.testing.assert_close(mixed, alone, atol=0.01, rtol=0.01)
    assert torch.equal(torch.stack(list(engine.vectors(rows))), exact)


def test_predictions_are_nearly_those_of_float32(in_int8):
    examples = [Example(text) for text in TEXTS]
    found = in_int8.predict(examples, ("task:lora",))
    in_int8.precision = "float32"
    for lower, exact in zip(found, in_int8.predict(examples, ("task:lora",)), strict=True):
        assert lower.scores == pytest.approx(exact.scores, abs=0.05)


def test_gradients_pass_through_as_in_float32():
    torch.manual_seed(0)
    frozen = torch.nn.Linear(12, 5)
    frozen.requires_grad_(False)
    inputs = torch.randn(2, 3, 12, requires_grad=True)
    with Int8Products(quantised_projections([("it", frozen)])):
        output = frozen(inputs)
        assert not torch.equal(output, functional.linear(inputs, frozen.weight.clone(), frozen.bias))
    output.sum().backward()
    torch.testing.assert_close(inputs.grad, frozen.weight.sum(0).expand(2, 3, 12))


def test_inputs_that_were_changed_in_place_are_quantised_anew():
    frozen = torch.nn.Linear(12, 5).requires_grad_(False)
    inputs = torch.randn(3, 12)
    with torch.no_grad(), Int8Products(quantised_projections([("it", frozen)])):
        before = frozen(inputs)
        assert torch.equal(frozen(inputs), before)
        inputs *= 3
        assert not torch.equal(frozen(inputs), before)


def test_a_backbone_without_such_projections_says_so():
    backbone = tiny_backbone("gpt2")
    with pytest.raises(BackboneError, match="no projection"), computing_in("int8", backbone, CPU):
        pass


@pytest.mark.parametrize(
    ("times", "taken"),
    [
        ({"float32": 3.0, "int8": 1.0, "bfloat16": 1.5}, "bfloat16"),
        ({"float32": 3.0, "int8": 1.0, "bfloat16": 2.9}, "int8"),
        ({"float32": 3.0, "int8": 1.0}, "int8"),
        ({"float32": 1.9, "int8": 1.0}, "float32"),
    ],
)
def test_auto_takes_what_was_measured_to_be_worth_it(times, taken, tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path))
    measured = []
    monkeypatch.setattr(formats, "_measured", lambda: measured.append(1) or times)
    assert resolve_precision("auto", CPU) == taken
    # Kept for the next process; what is broken is measured again.
    assert resolve_precision("auto", CPU) == taken and len(measured) == 1
    (file,) = (tmp_path / "precision").iterdir()
    assert json.loads(file.read_text()) == times
    file.write_text("[]")
    assert resolve_precision("auto", CPU) == taken and len(measured) == 2


def test_auto_is_measured_here_and_survives_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "file"))
    assert resolve_precision("auto", CPU) in ("float32", "bfloat16", "int8")


def test_int8_elsewhere_than_on_a_cpu_is_refused():
    with pytest.raises(UserError, match="int8 is computed on CPUs"):
        resolve_precision("int8", torch.device("cuda"))

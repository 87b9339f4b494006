"""What is no finite number is neither loaded nor answered."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from lect import Example, HeadSpec
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.finite import NotFiniteError, check_predictions
from lect.engine.engine import Engine
from lect.errors import ComponentError
from lect.heads import Prediction


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensor: tensor.fill_(float("inf")), "holds infinite values: its training went astray"),
        (lambda tensor: tensor.fill_(float("nan")), "holds values that are not numbers (NaN)"),
        (lambda tensor: tensor.to(torch.int64), "holds integers or truth values, not real numbers"),
        (lambda tensor: tensor.to(torch.complex64), "holds complex numbers, not real numbers"),
    ],
)
def test_a_component_whose_weights_are_no_real_numbers_is_refused(new_bench, change, said):
    bench = new_bench()
    bench.write("lang:a")
    file = bench.folder / "lang/a/weights.safetensors"
    tensors = load_file(file)
    name = sorted(tensors)[0]
    save_file({**tensors, name: change(tensors[name])}, file)
    with pytest.raises(ComponentError) as caught:
        bench.open("lang:a")
    assert said in str(caught.value) and name in str(caught.value)


def test_what_is_refused_has_changed_nothing():
    module = nn.Linear(2, 2)
    component = Component("task:x", "task", {}, module)
    before = {name: tensor.clone() for name, tensor in component.tensors().items()}
    spoilt = {"head.bias": torch.ones(2), "head.weight": torch.full((2, 2), float("inf"))}
    with pytest.raises(NotFiniteError, match=r'task:x: the tensor "head\.weight" holds infinite values'):
        component.load_tensors(spoilt)
    assert all(torch.equal(before[name], tensor) for name, tensor in component.tensors().items())


def test_no_vector_and_no_answer_is_nan(new_bench):
    bench = new_bench()
    bench.write("lang:a")
    keys = bench.open("lang:a")
    encoder = RowEncoder(bench.model)
    spec = bench.host.spec(HeadSpec, "classification")
    head = spec.build(spec.config(), bench.backbone, ("good", "bad"))
    bench.model.attach(Component("task:mood", "task", {}, head))
    bench.model.eval()
    stack, rows = (*keys, "task:mood"), [Example("a short one", origin="x, line 1"), Example("b", origin="x, line 2")]
    assert len(Engine(bench.model, encoder).predict(rows, stack)) == 2
    with torch.no_grad():
        head.output.weight[0, 0] = float("nan")
    with pytest.raises(NotFiniteError, match=r"x, line 1: the answer is nan, which is no answer"):
        Engine(bench.model, encoder).predict(rows, stack)
    with torch.no_grad():
        next(bench.model.components["lang:a"].parts["full"].parameters()).fill_(float("inf"))
    with pytest.raises(NotFiniteError, match=r"x, line \d: what the model makes of it is NaN or infinite"):
        Engine(bench.model, encoder).predict(rows, stack)
    with pytest.raises(NotFiniteError, match="what the model makes of it is NaN or infinite"):
        Engine(bench.model, encoder).embed(["a text"], keys)


def test_numbers_that_are_none_are_no_answers():
    rows = [Example("x", origin="here")]
    for prediction in (
        Prediction(float("-inf"), None),
        Prediction([1.0, float("nan")], None),
        Prediction("x", 0.5, {"x": float("nan")}),
    ):
        with pytest.raises(NotFiniteError, match="here: the answer is"):
            check_predictions([prediction], rows)
    check_predictions([Prediction(3, None), Prediction(("O",), 0.5)], rows * 2)

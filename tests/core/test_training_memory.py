"""Options that save time or memory change nothing else: compiling, gradient checkpointing, weights in less memory."""

from __future__ import annotations

import pytest
import torch

from lect import MethodSpec, Part
from lect.backbones.weights import hold_weights
from lect.builtins.configs import FullConfig
from lect.builtins.full import FullPart
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import BackboneError
from lect.host import Host
from lect.specs import BuildContext, Corpus
from lect.testing.backbones import tiny_backbone
from lect.training import compiled
from lect.training.compiled import compile_model

pytestmark = pytest.mark.models

TEXTS = ("the old house on the way", "short", "many some other")
CPU = torch.device("cpu")


class Shifted(Part):
    def __init__(self, site, features):
        super().__init__()
        self.site, self.shift = site, torch.nn.Parameter(torch.zeros(features))

    def sites(self):
        return (self.site,)

    def at(self, site, inner, inputs, context):
        return inner(inputs) + self.shift


def attached(model, key, method="lora", config=None):
    host = Host.load(report=lambda line: None)
    spec = host.spec(MethodSpec, method)
    torch.manual_seed(sum(map(ord, key)))
    part = spec.build(spec.config(**(config or {})), BuildContext(model.backbone, Corpus(())))
    with torch.no_grad():
        for parameter in part.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.attach(Component(key, "lang", {method: part}))
    return part


def gradients(model, stacks):
    rows = RowEncoder(model).encode(TEXTS, stacks)
    hidden = model(rows)
    model.zero_grad(set_to_none=True)
    (hidden * rows.attention_mask[..., None]).pow(2).sum().backward()
    return hidden.detach(), {name: value.grad for name, value in model.parts.named_parameters() if value.requires_grad}


@pytest.mark.parametrize("family", ["xlm-roberta", "llama", "modernbert"])
def test_checkpointed_layers_give_the_same_gradients(family):
    model = RoutedModel(tiny_backbone(family))
    config = {"preset": "double_seq_bn", "reduction_factor": 4}
    for key in ("lang:a", "lang:b"):
        attached(model, key, "bottleneck", config)
    stacks = [("lang:a",), ("lang:b",), ("lang:a",)]
    expected = gradients(model, stacks)
    model.checkpoints_layers = True
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda t: t):
        found = gradients(model, stacks)
    torch.testing.assert_close(found, expected, atol=0, rtol=0)
    with_all = []
    model.checkpoints_layers = False
    with torch.autograd.graph.saved_tensors_hooks(lambda t: with_all.append(t.numel()) or t, lambda t: t):
        gradients(model, stacks)
    assert sum(kept) < sum(with_all) / 2
    # The layers are as they were.
    assert not any("forward" in model.backbone.module(path).__dict__ for path in model.backbone.anatomy.layer_paths)


def test_nothing_is_computed_backwards_below_the_lowest_trained_part():
    model = RoutedModel(tiny_backbone("xlm-roberta", layers=3))
    states = []
    site = model.backbone.anatomy.layers[-1].feed_forward.output
    model.attach(Component("lang:a", "lang", {"toy": Shifted(site, model.backbone.hidden_size)}))
    for path in model.backbone.anatomy.layer_paths:
        model.backbone.module(path).register_forward_hook(lambda module, given, output: states.append(output))
    gradients(model, [("lang:a",)] * 3)
    assert [(state[0] if isinstance(state, tuple) else state).requires_grad for state in states] == [False, False, True]


@pytest.mark.parametrize("family", ["xlm-roberta", "llama", "bert"])
def test_weights_in_bfloat16_keep_fingerprint_and_nearly_the_outputs(family):
    plain, held = tiny_backbone(family), tiny_backbone(family)
    hold_weights(held, "bfloat16", CPU)
    assert held.fingerprint == plain.fingerprint
    tensors = [*held.model.parameters()]
    assert sum(value.nbytes for value in tensors) < 0.6 * sum(value.nbytes for value in plain.model.parameters())
    results = []
    for backbone in (plain, held):
        model = RoutedModel(backbone)
        attached(model, "lang:a")
        results.append(gradients(model, [("lang:a",)] * 3))
    (expected, right), (found, own) = results
    assert found.dtype == torch.float32
    assert (found - expected).abs().mean() < 0.02 * expected.abs().mean()
    for name, gradient in own.items():
        cosine = torch.nn.functional.cosine_similarity(gradient.flatten(), right[name].flatten(), dim=0)
        assert cosine > 0.99, name


def test_held_weights_give_the_gradient_of_what_they_compute():
    from lect.backbones.weights import HeldLinear

    held = HeldLinear(4, 3)
    held.weight = torch.nn.Parameter(torch.randn(3, 4).bfloat16(), requires_grad=False)
    held.bias.requires_grad_(False)
    wide = torch.nn.functional.linear
    inputs = torch.randn(2, 5, 4, requires_grad=True)
    expected = wide(inputs, held.weight.float(), held.bias)
    torch.testing.assert_close(held(inputs), expected)
    weights = torch.randn_like(expected)
    found = torch.autograd.grad((held(inputs) * weights).sum(), inputs)[0]
    torch.testing.assert_close(found, torch.autograd.grad((expected * weights).sum(), inputs)[0])


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_quantised_weights_are_refused_where_they_cannot_be(weights, monkeypatch):
    with pytest.raises(BackboneError, match=f"weights in {weights} need a CUDA GPU"):
        hold_weights(tiny_backbone(), weights, CPU)
    monkeypatch.setattr("lect.backbones.weights.importlib.util.find_spec", lambda name: None)
    with pytest.raises(BackboneError, match="need the library bitsandbytes"):
        hold_weights(tiny_backbone(), weights, torch.device("cuda"))


@pytest.mark.slow
def test_a_compiled_model_computes_the_same():
    model = RoutedModel(tiny_backbone("xlm-roberta", layers=1))
    attached(model, "lang:a")
    problem = compile_model(model, RowEncoder(model), [("lang:a",)], backend="eager")
    if problem is not None:
        pytest.skip(f"torch.compile does not work here: {problem}")
    found = gradients(model, [("lang:a",)] * 3)
    model.compiled = None
    torch.testing.assert_close(found, gradients(model, [("lang:a",)] * 3), atol=1e-4, rtol=1e-3)


def test_a_model_that_cannot_be_compiled_goes_on_as_it_was(monkeypatch):
    model = RoutedModel(tiny_backbone("xlm-roberta"))
    attached(model, "lang:a")

    def broken(forward, **options):
        raise RuntimeError("no compiler\nand more")

    expected = gradients(model, [("lang:a",)] * 3)
    monkeypatch.setattr(compiled.torch, "compile", broken)
    assert compile_model(model, RowEncoder(model), [("lang:a",)]) == "no compiler"
    torch.testing.assert_close(gradients(model, [("lang:a",)] * 3), expected, atol=0, rtol=0)


def test_a_compiled_model_that_computes_something_else_is_not_taken(monkeypatch):
    model = RoutedModel(tiny_backbone("xlm-roberta"))
    attached(model, "lang:a")
    monkeypatch.setattr(
        compiled.torch, "compile", lambda forward, **options: lambda **named: [forward(**named)[0] + 1.0]
    )
    assert compile_model(model, RowEncoder(model), [("lang:a",)]) == "it would compute something else"
    assert model.compiled is None


def test_full_fine_tuning_works_over_checkpointed_layers():
    model = RoutedModel(tiny_backbone("xlm-roberta"))
    part = FullPart(FullConfig(), BuildContext(model.backbone, Corpus(())))
    model.attach(Component("lang:a", "lang", {"full": part}))
    expected = gradients(model, [("lang:a",)] * 3)
    model.checkpoints_layers = True
    torch.testing.assert_close(gradients(model, [("lang:a",)] * 3), expected, atol=0, rtol=0)

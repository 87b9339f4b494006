"""Arithmetic on parameters: exact where it can be, as `peft` has it where it is named after `peft`'s."""

from __future__ import annotations

import copy

import peft
import pytest
import torch
from peft.utils import merge_utils

from lect import MergeSpec
from lect.composition.encode import RowEncoder
from lect.composition.stack import parse_stack

# What these change is linear in their parameters, so that adding parameters and mixing outputs are one.
LINEAR = {
    "full": [("full", {})] * 3,
    "affine": [("affine", {})] * 3,
    "ia3": [("ia3", {})] * 3,
    "lora": [
        ("lora", {"r": 4, "lora_alpha": 16}),
        ("lora", {"r": 2, "use_rslora": True}),
        ("lora", {"r": 3, "rank_pattern": {"query": 1}}),
    ],
    "lora in places": [
        ("lora", {"r": 4, "target_modules": ["query", "value"]}),
        ("lora", {"r": 2, "target_modules": ["value"]}),
        ("lora", {"r": 2}),
    ],
    "pissa": [("pissa", {"r": 2}), ("pissa", {"r": 3}), ("pissa", {"r": 2, "lora_alpha": 4})],
    "adalora": [("adalora", {"init_r": 4, "target_r": 2})] * 3,
}


@pytest.mark.parametrize("kind", LINEAR)
def test_where_changes_are_linear_in_parameters_a_sum_is_what_outputs_mixed_are(kind, new_bench):
    bench = new_bench()
    for name, (method, config) in zip(("jav", "mad", "ind"), LINEAR[kind], strict=True):
        bench.write(f"lang:{name}", method, config)
    sums = bench.output("(0.7*lang:jav + lang:mad - 0.2*lang:ind)")
    mixed = bench.output("mix(0.7*lang:jav, lang:mad, -0.2*lang:ind)")
    torch.testing.assert_close(sums, mixed, rtol=0, atol=2e-5)
    assert (sums - bench.output("lang:jav")).abs().max() > 1e-2


def test_a_sum_of_loras_is_a_lora_of_the_ranks_sum(new_bench):
    bench = new_bench()
    bench.write("lang:a", "lora", {"r": 4})
    bench.write("lang:b", "lora", {"r": 2})
    bench.open("(lang:a - lang:b)")
    (part,) = bench.model.components["(lang:a - lang:b)"].parts.values()
    ranks = {layer.r["default"] for layer in part.modules() if hasattr(layer, "lora_A")}
    assert ranks == {6}


def peft_model(bench, names, config):
    """The library's own model with the library's parts of these components."""
    targets = list(bench.backbone.anatomy.linears)
    settings = peft.LoraConfig(**config, target_modules=targets)
    model = None
    for name in names:
        if model is None:
            model = peft.get_peft_model(copy.deepcopy(bench.backbone.model), settings, adapter_name=name)
        else:
            model.add_adapter(name, settings)
        part = bench.model.components[f"lang:{name}"].parts["lora"]
        for site in targets:
            ours = part.linears.get_submodule(site)
            layer = model.base_model.model.get_submodule(site)
            for kind in ("lora_A", "lora_B"):
                getattr(layer, kind)[name].weight.data.copy_(getattr(ours, kind)["default"].weight)
    return model.eval()


@pytest.mark.parametrize(
    ("formula", "kind", "settings"),
    [
        ("(0.5*lang:a - lang:b)", "cat", {}),
        ("ties(0.5*lang:a, lang:b, density=0.3)", "ties_svd", {"density": 0.3}),
        (
            "ties(0.5*lang:a, lang:b, density=0.3, majority_sign_method=frequency)",
            "ties_svd",
            {"density": 0.3, "majority_sign_method": "frequency"},
        ),
        ("magnitude_prune(0.5*lang:a, lang:b, density=0.4)", "magnitude_prune_svd", {"density": 0.4}),
    ],
)
def test_a_merge_of_loras_gives_what_peft_gives(formula, kind, settings, new_bench):
    bench = new_bench()
    for name in ("a", "b"):
        bench.write(f"lang:{name}", "lora", {"r": 4, "lora_alpha": 12}, scale=0.2)
        bench.open(f"lang:{name}")
    model = peft_model(bench, ("a", "b"), {"r": 4, "lora_alpha": 12})
    weights = [member.weight for member in parse_stack(formula).parts[0].members]
    rank = {} if kind == "cat" else {"svd_rank": 8}
    model.add_weighted_adapter(["a", "b"], weights, "m", combination_type=kind, **rank, **settings)
    model.set_adapter("m")
    rows = RowEncoder(bench.model).encode(["a text of some words"], [()])
    with torch.no_grad():
        theirs = model(input_ids=rows.input_ids, attention_mask=rows.attention_mask)[0][0]
    torch.testing.assert_close(bench.output(formula, "a text of some words"), theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["dare", "dare_linear", "dare_ties", "magnitude_prune", "ties"])
def test_merges_are_the_functions_of_peft(name, new_bench):
    host = new_bench().host
    config = host.configured(MergeSpec, name, {"density": 0.4}, "here").config
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(6, 50, generator=generator) for _ in range(3)]
    weights = [1.0, 0.5, -0.25]
    state = torch.random.get_rng_state()
    merged = host.spec(MergeSpec, name).merge(config, "place", tensors, weights)
    assert torch.equal(torch.random.get_rng_state(), state), "torch's own random state is left alone"
    assert torch.equal(host.spec(MergeSpec, name).merge(config, "place", tensors, weights), merged)
    if not name.startswith("dare"):
        theirs = getattr(merge_utils, name)(tensors, torch.tensor(weights), density=0.4)
        assert torch.equal(merged, theirs)
        return
    # A draw of its own for each place and seed; on average nothing is lost.
    assert not torch.equal(host.spec(MergeSpec, name).merge(config, "elsewhere", tensors, weights), merged)
    seeds = [config.model_copy(update={"seed": seed}) for seed in range(400)]
    if name != "dare_ties":
        mean = sum(host.spec(MergeSpec, name).merge(each, "place", tensors, weights) for each in seeds) / len(seeds)
        exact = sum(tensor * weight for tensor, weight in zip(tensors, weights, strict=True))
        assert (mean - exact).abs().mean() < 0.1 < (merged - exact).abs().mean()


def test_ties_of_full_copies_are_of_what_was_learned(new_bench):
    """Task vectors, not weights: where nothing is kept, the backbone is left."""
    bench = new_bench()
    bench.write("lang:a", "full")
    bench.write("lang:b", "full")
    torch.testing.assert_close(bench.output("magnitude_prune(lang:a, lang:b, density=1e-9)"), bench.output(""))
    torch.testing.assert_close(bench.output("(0*lang:a + 0*lang:b)"), bench.output(""))


def test_bottlenecks_are_added_parameter_by_parameter(new_bench):
    bench = new_bench()
    parts = [bench.write(f"lang:{name}", "bottleneck", {"preset": "seq_bn_inv"}) for name in ("jav", "mad", "ind")]
    bench.open("(lang:jav + lang:mad - lang:ind)")
    merged = bench.model.components["(lang:jav + lang:mad - lang:ind)"].parts["bottleneck"]
    jav, mad, ind = (dict(part.named_parameters()) for part in parts)
    for name, value in merged.named_parameters():
        torch.testing.assert_close(value, jav[name] + mad[name] - ind[name])

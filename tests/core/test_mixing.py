"""Weights, mixtures, merges and fusions in stacks: what they compute, and that every row stands alone."""

from __future__ import annotations

import shutil

import pytest
import torch
from small_library import Bench

from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.mixed import MixedPart
from lect.parts import Part, SiteContext

TEXTS = ["a short one", "another text that is longer than the first", "b", "c d e f g", "once more, with commas"]

KINDS = {
    "full": ("full", {}),
    "affine": ("affine", {}),
    "lora": ("lora", {"r": 4}),
    "ia3": ("ia3", {}),
    "adalora": ("adalora", {"init_r": 4, "target_r": 2}),
    "bottleneck": ("bottleneck", {"reduction_factor": 4}),
    "invertible": ("bottleneck", {"preset": "seq_bn_inv", "reduction_factor": 4}),
    "parallel": ("bottleneck", {"preset": "par_bn", "reduction_factor": 4}),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Gives the folder of components of a kind, which is written once."""
    folders = {}

    def folder_of(kind, family):
        if (kind, family) not in folders:
            folder = tmp_path_factory.mktemp(kind)
            method, config = KINDS[kind]
            bench = Bench(folder, family)
            for name in ("jav", "sun", "ind"):
                bench.write(f"lang:{name}", method, config)
            bench.write("task:adapt", "affine")
            if kind != "full":
                bench.fuse("lang:fused", "lang:jav", "lang:sun")
            folders[kind, family] = folder
        return folders[kind, family]

    return folder_of


@pytest.fixture
def filled(written, tmp_path):
    """Makes a `Bench` of its own with the components of a kind."""

    def fill(kind, family="xlm-roberta"):
        shutil.copytree(written(kind, family), tmp_path, dirs_exist_ok=True)
        return Bench(tmp_path, family)

    return fill


@pytest.fixture(params=KINDS)
def bench(request, filled):
    return filled(request.param)


def different(one, other):
    return float((one - other).abs().max()) > 1e-4


def stacks_of(bench):
    found = [
        "",
        "lang:jav",
        "0.7*lang:jav",
        "avg(lang:jav, lang:sun)",
        "mix(0.7*lang:jav, -0.3*lang:sun) + task:adapt",
        "(lang:jav + lang:sun - lang:ind) + task:adapt",
        "0.6*(lang:jav + lang:sun)",
        "ties(lang:jav, lang:sun, density=0.5) + 2*task:adapt",
        "avg(lang:ind, dare(lang:jav, lang:sun, density=0.5))",
    ]
    return found + (["lang:fused + task:adapt"] if (bench.folder / "lang/fused").exists() else [])


def test_every_row_of_a_mixed_batch_is_what_it_is_alone(bench):
    rows_stand_alone(bench)


@torch.no_grad()
def rows_stand_alone(bench):
    stacks = stacks_of(bench)
    stacks = [*stacks, *reversed(stacks)]
    texts = [TEXTS[index % len(TEXTS)] for index in range(len(stacks))]
    together = bench.run(texts, stacks)
    for text, stack, hidden in zip(texts, stacks, together, strict=True):
        bound = 1e-5 * max(1.0, float(hidden.abs().max()))
        torch.testing.assert_close(hidden, bench.run([text], [stack])[0], rtol=0, atol=bound)
    outputs = [bench.output(stack) for stack in stacks[: len(stacks) // 2]]
    assert all(different(one, other) for index, one in enumerate(outputs) for other in outputs[:index])


@pytest.mark.slow
@pytest.mark.parametrize("family", ["deberta-v2", "modernbert"])
@pytest.mark.parametrize("kind", ["full", "lora", "invertible"])
@torch.no_grad()
def test_rows_stand_alone_on_other_backbones(kind, family, filled):
    rows_stand_alone(filled(kind, family))


def gradients(bench, texts, stacks):
    bench.model.zero_grad(set_to_none=True)
    states = bench.run(texts, stacks)
    total = sum((hidden * torch.linspace(-1, 1, hidden.numel()).view_as(hidden)).sum() for hidden in states)
    if total.requires_grad:
        total.backward()
    return {
        name: parameter.grad.clone()
        for name, parameter in bench.model.parts.named_parameters()
        if parameter.grad is not None
    }


def test_gradients_of_a_mixed_batch_are_the_sum_of_each_row_alone(bench):
    stacks = stacks_of(bench)
    texts = [TEXTS[index % len(TEXTS)] for index in range(len(stacks))]
    mixed = gradients(bench, texts, stacks)
    expected = {}
    for text, stack in zip(texts, stacks, strict=True):
        for name, gradient in gradients(bench, [text], [stack]).items():
            expected[name] = expected.get(name, 0) + gradient
    assert mixed.keys() == expected.keys()
    for name, gradient in mixed.items():
        scale = max(1.0, float(expected[name].abs().max()))
        torch.testing.assert_close(gradient, expected[name], rtol=0, atol=1e-4 * scale)
    alone = gradients(bench, [TEXTS[0]], ["avg(lang:jav, lang:sun)"])
    reached = {name for name, gradient in alone.items() if gradient.any()}
    assert any("lang:jav" in name for name in reached)
    assert not any("task:adapt" in name or "lang:ind" in name for name in reached)


def test_a_mixture_is_the_sum_of_the_changes_at_each_site(bench):
    """Recorded at the module that acts last, whose rows below are the same for both members."""
    site = bench.backbone.anatomy.layers[0].feed_forward.output
    keys = {text: bench.open(text) for text in ("", "lang:jav", "lang:sun", "mix(0.7*lang:jav, -0.2*lang:sun)")}
    part = bench.model.components["mix(0.7*lang:jav, -0.2*lang:sun)"].parts["mixed"]
    if site not in part.sites():
        site = next(iter(part.sites()))
    parts = {key: next(iter(bench.model.components[key].parts.values())) for key in ("lang:jav", "lang:sun")}
    assert keys["lang:jav"] == ("lang:jav",)
    module = bench.backbone.module(site)
    features = getattr(module, "in_features", 32)
    inputs = torch.randn(2, 3, features, generator=torch.Generator().manual_seed(0))
    below = torch.randn(2, 3, getattr(module, "out_features", 32), generator=torch.Generator().manual_seed(1))

    def inner(given):
        return below.clone() if given is inputs else below * 0.9

    context = SiteContext(torch.ones_like(below), lambda hidden: hidden)
    with torch.no_grad():
        mixed = part.at(site, inner, inputs, context)
        changes = {key: each.at(site, inner, inputs, context) - below for key, each in parts.items()}
    torch.testing.assert_close(mixed, below + 0.7 * changes["lang:jav"] - 0.2 * changes["lang:sun"])


@torch.no_grad()
def test_equal_meanings_give_equal_outputs(bench):
    for one, other in (
        ("avg(lang:jav, lang:sun)", "mix(0.5*lang:jav, 0.5*lang:sun)"),
        ("avg(3*lang:jav, lang:sun)", "mix(0.75*lang:jav, 0.25*lang:sun)"),
        ("0*lang:jav", ""),
        ("mix(lang:jav, 0*lang:sun)", "lang:jav"),
        ("2*mix(0.1*lang:jav, 0.2*lang:sun)", "mix(0.2*lang:jav, 0.4*lang:sun)"),
        ("(lang:jav)", "lang:jav"),
        ("(lang:jav + lang:sun - lang:ind)", "(lang:sun - lang:ind + lang:jav)"),
        ("(0*lang:jav)", ""),
        ("ties(lang:jav, density=1.0)", "lang:jav"),
        ("magnitude_prune(lang:jav, density=1.0)", "(lang:jav)"),
    ):
        torch.testing.assert_close(bench.output(one), bench.output(other), rtol=0, atol=2e-5, msg=f"{one} = {other}")
        assert "lang" not in other or different(bench.output(other), bench.output(""))


@pytest.mark.parametrize("bench", ["lora"], indirect=True)
def test_the_modules_of_a_mixture_are_those_of_its_members(bench):
    bench.open("avg(lang:jav, lang:sun)")
    bench.open("lang:jav")
    mixed = bench.model.components["avg(lang:jav, lang:sun)"].parts["mixed"]
    (own,) = bench.model.components["lang:jav"].parts.values()
    assert mixed.members[0] is own


@pytest.mark.parametrize("bench", ["full", "lora", "invertible"], indirect=True)
def test_nothing_of_a_stack_stays_at_the_backbone(bench):
    before = {name: id(module) for name, module in bench.backbone.model.named_modules()}
    bench.run([TEXTS[0]] * len(stacks_of(bench)), stacks_of(bench))
    bench.model.detach_all()
    assert {name: id(module) for name, module in bench.backbone.model.named_modules()} == before
    assert not any("forward" in vars(module) for module in bench.backbone.model.modules())


@torch.no_grad()
def test_several_loras_in_one_stack_add_up(filled):
    bench = filled("lora")
    assert different(bench.output("lang:jav + lang:sun"), bench.output("lang:jav"))
    # Every change is linear in what goes in, and both get the same: in order and side by side are one.
    torch.testing.assert_close(
        bench.output("lang:jav + lang:sun"), bench.output("mix(lang:jav, lang:sun)"), rtol=0, atol=1e-5
    )
    torch.testing.assert_close(
        bench.output("lang:jav + lang:sun"), bench.output("(lang:jav + lang:sun)"), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("bench", ["lora", "ia3", "bottleneck"], indirect=True)
def test_a_mixture_keeps_the_dtype_under_autocast(bench):
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        stacks = stacks_of(bench)
        together = bench.run([TEXTS[0]] * len(stacks), stacks)
        for stack, hidden in zip(stacks, together, strict=True):
            alone = bench.run([TEXTS[0]], [stack])[0]
            torch.testing.assert_close(hidden.float(), alone.float(), rtol=0.05, atol=0.1)


@pytest.mark.parametrize("bench", ["lora"], indirect=True)
def test_encoding_a_mixture_needs_no_tokenizer_of_its_own(bench):
    keys = bench.open("avg(lang:jav, lang:sun)")
    rows = RowEncoder(bench.model).encode(["a"], [keys])
    assert rows.routes.groups[0].components == ("avg(lang:jav, lang:sun)",)


class Doubled(Part):
    """Twice what is below, and a bit of the input."""

    def __init__(self, site, shift):
        super().__init__()
        self._site, self.shift = site, torch.nn.Parameter(torch.tensor(shift))

    def sites(self):
        return (self._site,)

    def at(self, site, inner, inputs, context):
        return 2 * inner(inputs) + self.shift * inner(inputs * 3) + self.shift


def test_a_member_of_several_parts_is_those_parts_in_order():
    chain = {name: Doubled("here", shift) for name, shift in (("a", 0.1), ("b", 0.2))}
    single = {"c": Doubled("here", 0.3), "elsewhere": Doubled("there", 9.0)}
    part = MixedPart([Component("lang:x", "lang", chain), Component("lang:y", "lang", single)], (0.7, -0.5))
    inputs = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))

    def inner(given):
        return given.sin()

    def doubled(below, shift):
        return lambda given: 2 * below(given) + shift * below(given * 3) + shift

    below = inner(inputs)
    first = doubled(doubled(inner, 0.1), 0.2)(inputs)
    expected = below + 0.7 * (first - below) - 0.5 * (doubled(inner, 0.3)(inputs) - below)
    torch.testing.assert_close(part.at("here", inner, inputs, SiteContext()), expected)
    assert set(part.sites()) == {"here", "there"}

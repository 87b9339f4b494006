"""LoRA and its relatives give exactly what `peft` gives with the same weights."""

from __future__ import annotations

import copy
from dataclasses import replace

import peft
import pytest
import torch
from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.parts import SiteContext
from lect.testing.backbones import tiny_backbone
from lect_lora.build import build_part
from lect_lora.config import AdaloraConfig, AnyPeftConfig, DoraConfig, Ia3Config, LoraConfig, PissaConfig, VeraConfig
from lect_lora.settings import REFUSED, library_config

TEXTS = ["the old house on the way home", "two", "one more bright day with words that go on", "good"]
NAMED = {
    "lora": LoraConfig(r=4),
    "lora on some": LoraConfig(r=4, target_modules=("query", "value"), layers_to_transform=[1]),
    "lora by pattern": LoraConfig(r=4, rank_pattern={"query": 2}, use_rslora=True),
    "lora with bias": LoraConfig(r=4, lora_bias=True),
    "orthogonal": LoraConfig(r=4, init_lora_weights="orthogonal"),
    "olora": LoraConfig(r=4, init_lora_weights="olora"),
    "dora": DoraConfig(r=4),
    "pissa": PissaConfig(r=4, lora_alpha=16),
    "pissa, quickly": PissaConfig(r=4, init_lora_weights="pissa_niter_4"),
    "pissa and dora": PissaConfig(r=4, use_dora=True),
    "vera": VeraConfig(r=4),
    "adalora": AdaloraConfig(init_r=4, target_r=2),
    "ia3": Ia3Config(),
    "ia3 without feed-forward": Ia3Config(feedforward_modules=[]),
}
SMALL = {
    "adamss": {"r": 8, "num_subspaces": 2, "subspace_rank": 2},
    "beft": {},
    "boft": {"boft_block_size": 4},
    "c3a": {"block_size": 8},
    "deft": {"r": 4},
    "delora": {"r": 4},
    "fourierft": {"n_frequency": 20},
    "frod": {},
    "glora": {"r": 4},
    "gralora": {"r": 4, "gralora_k": 2},
    "hira": {"r": 4},
    "hra": {"r": 4},
    "loha": {"r": 4},
    "lokr": {"r": 4},
    "miss": {"r": 4},
    "oft": {"oft_block_size": 4},
    "peanut": {"r": 4},
    "psoft": {"r": 4},
    "pvera": {"r": 4},
    "randlora": {"r": 4},
    "road": {"group_size": 8},
    "shira": {"r": 2},
    "supertuning": {},
    "tinylora": {"r": 2},
    "unilora": {"r": 4, "theta_d_length": 64},
    "vblora": {"r": 2, "num_vectors": 16, "vector_length": 8},
    "waveft": {"n_frequency": 20},
}
# These work with a changed weight, and what they wrap has no say.
BYPASSING = ("hra", "shira", "glora", "miss")


def part_of(config, backbone, seed=3, fresh=True):
    torch.manual_seed(seed)
    return build_part(config, backbone, fresh=fresh)


def perturb(part, seed=5):
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in part.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)


def attached(backbone, **parts):
    model = RoutedModel(backbone)
    for key, part in parts.items():
        model.attach(Component(key, "task", {"peft": part}))
    return model.eval()


@torch.no_grad()
def outputs(model, *stack):
    rows = RowEncoder(model).encode(TEXTS, [stack] * len(TEXTS))
    return model(rows)[rows.attention_mask.bool()]


def difference(config, family):
    """How far the part is from `peft`'s own model with the same weights, and from the bare backbone."""
    backbone = tiny_backbone(family)
    part = part_of(config, backbone)
    torch.manual_seed(3)
    paths = list(part.sites())
    settings = library_config(config, paths)
    if config.method == "IA3":
        settings.feedforward_modules = {path for path in paths if part.reads_input(path)}
    settings.total_step = 100
    reference = peft.get_peft_model(copy.deepcopy(backbone.model), settings).eval()
    perturb(part)
    theirs = dict([*reference.named_parameters(), *reference.named_buffers()])
    trained = 0
    with torch.no_grad():
        for name, tensor in [*part.named_parameters(), *part.named_buffers()]:
            twin = theirs.get(name.replace("linears.", "base_model.model.", 1))
            if twin is not None:
                twin.copy_(tensor)
            else:
                assert not tensor.requires_grad, name
            trained += tensor.requires_grad
    assert trained == sum(tensor.requires_grad for tensor in theirs.values())
    model = attached(backbone, own=part)
    rows = RowEncoder(model).encode(TEXTS, [()] * len(TEXTS))
    with torch.no_grad():
        expected = reference(input_ids=rows.input_ids, attention_mask=rows.attention_mask)[0]
    expected = expected[rows.attention_mask.bool()]
    scale = float(expected.abs().max())
    own, bare = outputs(model, "own"), outputs(model)
    return float((own - expected).abs().max()) / scale, float((bare - expected).abs().max()) / scale


@pytest.mark.parametrize("name", NAMED)
def test_a_named_method_equals_peft(name):
    distance, change = difference(NAMED[name], "bert")
    # Where the library rewrites the weight and we subtract, sums are rounded in another order.
    assert distance <= (5e-6 if name.startswith(("pissa", "olora")) else 1e-6)
    assert change > 1e-4


@pytest.mark.models
@pytest.mark.parametrize("family", ["distilbert", "deberta-v2", "modernbert"])
@pytest.mark.parametrize("name", ["lora", "dora", "pissa", "ia3"])
def test_every_family_equals_peft(name, family):
    distance, change = difference(NAMED[name], family)
    assert distance <= (5e-6 if name == "pissa" else 1e-6)
    assert change > 1e-4


@pytest.mark.parametrize("kind", SMALL)
def test_any_other_method_equals_peft(kind):
    distance, change = difference(AnyPeftConfig(type=kind, **SMALL[kind]), "bert")
    assert distance <= 1e-6
    assert change > 1e-5


def test_every_method_of_peft_is_tried_or_refused_with_a_reason():
    kinds = {kind.value for kind in PEFT_TYPE_TO_TUNER_MAPPING}
    tried = {config.method for config in NAMED.values()} | {kind.upper() for kind in SMALL}
    assert kinds - REFUSED.keys() == tried


@pytest.mark.parametrize("kind", SMALL)
def test_rows_of_any_method_stand_alone_and_load(kind):
    backbone = tiny_backbone("bert")
    config = AnyPeftConfig(type=kind, **SMALL[kind])
    first, second = part_of(config, backbone, 1), part_of(config, backbone, 2)
    perturb(first, 1), perturb(second, 2)
    model = attached(backbone, a=first, b=second)
    stacks = [("a",), ("b",), (), ("a", "b")]
    rows = RowEncoder(model).encode(TEXTS, stacks)
    with torch.no_grad():
        mixed = model(rows)
        for row, stack in enumerate(stacks):
            alone = model(replace(rows, routes=Routes.uniform(stack, len(stacks))))
            torch.testing.assert_close(mixed[row], alone[row], atol=2e-5, rtol=0)
    again = Component("a", "task", {"peft": part_of(config, backbone, 9, fresh=False)})
    again.load_tensors(model.components["a"].tensors())
    assert torch.equal(outputs(attached(tiny_backbone("bert"), a=again.parts["peft"]), "a"), outputs(model, "a"))


@pytest.mark.parametrize("kind", BYPASSING)
def test_a_method_that_bypasses_its_projection_drops_no_part_below(kind):
    backbone = tiny_backbone("bert")
    below = part_of(LoraConfig(r=4), backbone)
    above = part_of(AnyPeftConfig(type=kind, **SMALL[kind]), backbone)
    perturb(below)
    model = attached(backbone, below=below, above=above)
    # As it starts, the part above changes nothing: the stack is the part below.
    torch.testing.assert_close(outputs(model, "below", "above"), outputs(model, "below"), atol=2e-5, rtol=0)
    assert (outputs(model, "below") - outputs(model)).abs().max() > 1e-3


def test_building_leaves_the_backbone_alone_even_where_it_fails(monkeypatch):
    backbone = tiny_backbone()
    before = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}
    modules = [id(module) for module in backbone.model.modules()]
    part_of(PissaConfig(r=4), backbone)

    def fail(*arguments, **named):
        raise RuntimeError("no luck")

    monkeypatch.setattr("peft.tuners.lora.layer.LoraLayer.pissa_init", fail)
    with pytest.raises(Exception, match="peft refuses it for this backbone: no luck"):
        part_of(PissaConfig(r=4), backbone)
    assert [id(module) for module in backbone.model.modules()] == modules
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.model.state_dict().items())


def test_dropout_is_for_training_only():
    model = attached(tiny_backbone(), own=part_of(LoraConfig(r=4, lora_dropout=0.5), tiny_backbone()))
    perturb(model.components["own"].parts["peft"])
    assert torch.equal(outputs(model, "own"), outputs(model, "own"))
    model.train()
    assert not torch.equal(outputs(model, "own"), outputs(model, "own"))


def test_shared_projections_are_saved_once():
    part = part_of(VeraConfig(r=4), tiny_backbone())
    names = Component("own", "task", {"vera": part}).tensors()
    assert sum("vera_A" in name for name in names) == 1


def test_a_language_at_half_its_strength():
    """Plain LoRA acts with half its scale, whatever it drops out; what is more than a product does not."""
    backbone = tiny_backbone("xlm-roberta")
    plain = part_of(LoraConfig(r=4, lora_dropout=0.2), backbone, fresh=False)
    perturb(plain)
    half = plain.scaled(0.5)
    assert part_of(DoraConfig(r=4), backbone).scaled(0.5) is None
    assert part_of(PissaConfig(r=4), backbone).scaled(0.5) is None
    site = next(iter(plain.sites()))
    inputs = torch.randn(2, 3, backbone.module(site).in_features)
    below = backbone.module(site)(inputs)
    for training in (False, True):
        plain.train(training)
        torch.manual_seed(7)
        whole = plain.at(site, backbone.module(site), inputs, SiteContext()) - below
        torch.manual_seed(7)
        found = half.at(site, backbone.module(site), inputs, SiteContext()) - below
        assert whole.abs().max() > 1e-3
        assert (found - whole / 2).abs().max() < 1e-6
    assert (half.scaled(2.0).at(site, backbone.module(site), inputs, SiteContext()) - below).abs().max() > 1e-3

"""Several objectives in one pass: each component's gradient is what its own rows alone give it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from profiles import DEAR
from torch import nn

from lect import Example, HeadSpec, MethodSpec, MetricSpec, ObjectiveSpec
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.host import Host
from lect.objectives import ObjectiveContext
from lect.specs import BuildContext, Corpus
from lect.testing.backbones import tiny_backbone
from lect.training.joint import JointLosses

WORDS = ("the old house", "two of a kind", "a dark one and many more words than that", "short", "ߒߞߏ ߞߊ߲", "ߞߊ߲ ߟߎ߬")
EXAMPLES = tuple(
    Example(text=text, translation=WORDS[-1 - index % 6], label="good" if index % 2 else "bad")
    for index, text in enumerate((*WORDS, "one more bright and happy day", "great"))
)
LORA = {"r": 4, "target_modules": "all-linear"}
INVERTIBLE, PARALLEL = ({"preset": preset, "reduction_factor": 4} for preset in ("double_seq_bn_inv", "par_bn"))
LEARNERS = [
    # key, parts, stack beneath, objective, its configuration
    ("lang:lora", {"lora": LORA}, (), "alignment", {}),
    ("lang:affine", {"affine": {}}, (), "alignment", {"candidates": "all", "contrast": 1.0}),
    ("lang:tokens", {"vocabulary": {"pieces": 12}, "affine": {}}, (), "alignment", {"distance": 1.0}),
    ("lang:full", {"full": {}}, ("lang:frozen",), "alignment", {}),
    ("task:lora", {"lora": LORA}, ("lang:frozen",), "supervised", {}),
    ("task:ia3", {"ia3": {}}, (), "supervised", {}),
    ("task:head", {}, ("lang:frozen", "lang:other"), "supervised", {}),
    ("lang:bottleneck", {"bottleneck": INVERTIBLE}, (), "alignment", {}),
    ("task:bottleneck", {"bottleneck": PARALLEL}, ("lang:other",), "supervised", {}),
]


class World:
    """A tiny backbone with frozen components and everything that can learn on it."""

    def __init__(self, family):
        self.host = Host.load(report=lambda line: None)
        self.model = RoutedModel(tiny_backbone(family))
        self.encoder = RowEncoder(self.model)
        for seed, key in enumerate(("lang:frozen", "lang:other")):
            self.model.attach(self.component(key, {"affine": {}}, seed))
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        self.objectives = {}
        for seed, (key, parts, beneath, objective, config) in enumerate(LEARNERS, start=2):
            self.model.attach(self.component(key, parts, seed))
            self.objectives[key] = self.objective(objective, config, (*beneath, key))
        self.model.train()
        self.model.encoder.eval()
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0

    def component(self, key, parts, seed):
        torch.manual_seed(seed)
        context = BuildContext(self.model.backbone, Corpus(EXAMPLES))
        built = {}
        for method, config in parts.items():
            spec = self.host.spec(MethodSpec, method)
            built[method] = spec.build(spec.config.model_validate(config), context)
        role, head = key.split(":")[0], None
        if role == "task":
            spec = self.host.spec(HeadSpec, "classification")
            head = spec.build(spec.config.model_validate({}), self.model.backbone, ("bad", "good"))
        component = Component(key, role, built, head)
        with torch.no_grad():
            # What starts as the identity would hide mistakes.
            for parameter in component.tensor_references().values():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.05)
        return component

    def objective(self, name, config, stack):
        spec = self.host.spec(ObjectiveSpec, name)
        metrics = {name: provided.spec for name, provided in self.host.specs(MetricSpec).items()}
        context = ObjectiveContext(self.model, self.encoder, stack, (), EXAMPLES, metrics, ("classification",))
        return spec.build(spec.config.model_validate(config), context)

    def gradients(self, batches):
        """The gradient of the sum of the losses in every parameter there is, None where there is none."""
        module = JointLosses(self.model, self.encoder, [self.objectives[key] for key in batches])
        total = sum(loss.total for loss in module(list(batches.values())))
        named = {
            f"{key} {name}": tensor
            for key, component in self.model.components.items()
            for name, tensor in component.tensor_references().items()
            if tensor.requires_grad
        }
        return dict(zip(named, torch.autograd.grad(total, list(named.values()), allow_unused=True), strict=True))


@pytest.fixture(scope="module", params=["xlm-roberta", "distilbert"])
def world(request):
    return World(request.param)


ROWS = st.lists(st.sampled_from(EXAMPLES), min_size=1, max_size=4)


@DEAR
@given(chosen=st.dictionaries(st.sampled_from([learner[0] for learner in LEARNERS]), ROWS, min_size=1, max_size=5))
def test_gradients_of_a_mixed_batch_are_those_of_each_learner_alone(world, chosen):
    device = torch.device("cpu")
    batches = {key: world.objectives[key].batch(rows, device) for key, rows in chosen.items()}
    together = world.gradients(batches)
    alone = {}
    for key, batch in batches.items():
        for name, gradient in world.gradients({key: batch}).items():
            if gradient is not None:
                assert name.startswith(f"{key} "), f"the rows of {key} train {name}"
                alone[name] = gradient
    assert {name for name, gradient in together.items() if gradient is not None} == alone.keys()
    assert {name.split(" ")[0] for name in alone} == chosen.keys()
    for name, gradient in alone.items():
        bound = 1e-5 * max(1.0, float(gradient.abs().max()))
        assert (together[name] - gradient).abs().max() <= bound, name
    assert all(parameter.grad is None for parameter in world.model.encoder.parameters())


def test_a_learner_without_rows_is_left_out(world):
    objectives = [world.objectives[key] for key in ("lang:lora", "task:ia3")]
    batch = objectives[1].batch(EXAMPLES[:2], torch.device("cpu"))
    first, second = JointLosses(world.model, world.encoder, objectives)([None, batch])
    assert first is None
    assert torch.isfinite(second.total)


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_joined_batches_are_what_is_encoded_at_once(family):
    model = RoutedModel(tiny_backbone(family))
    encoder = RowEncoder(model, 14)
    texts = ["short", WORDS[2], "two of a kind", "the old house"]
    whole = encoder.encode(texts, [()] * 4, ["a", "b", "c", "d"])
    joined = encoder.join(
        [encoder.encode(texts[:1], [()], ["a"]), encoder.encode(texts[1:], [()] * 3, ["b", "c", "d"])]
    )
    assert torch.equal(joined.input_ids, whole.input_ids)
    assert torch.equal(joined.attention_mask, whole.attention_mask)
    assert (joined.token_type_ids is None) == (whole.token_type_ids is None) == (family == "xlm-roberta")
    if whole.token_type_ids is not None:
        assert torch.equal(joined.token_type_ids, whole.token_type_ids)
    # Rows of one stack are one group, which costs no indexing.
    assert [group.rows.tolist() for group in joined.routes.groups] == [[0, 1, 2, 3]]
    assert joined.truncated == whole.truncated
    assert 0 < len(whole.truncated) < 4
    assert joined.tokens == whole.tokens

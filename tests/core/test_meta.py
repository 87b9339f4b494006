"""Meta-learning: the gradients of Reptile and first-order MAML, the rows they are taken from, and whole runs."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
import torch
from loops import fit
from torch import nn

from lect import Example, Part
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import Interrupted, RecipeError
from lect.objectives import Batch, Loss, Objective
from lect.recipes.recipe import recipe_of
from lect.recipes.training import LearningTable, MetaTable, RunTable
from lect.testing.backbones import tiny_backbone
from lect.toml import parse_toml
from lect.training.callbacks.base import Callback
from lect.training.checkpoint import load_checkpoint
from lect.training.meta import Meta, learn_task, meta_steps
from lect.training.optimisation import Precision
from lect.training.plan import StepPlan
from lect.training.setup import TrainedComponent, TrainingSetup


def meta_of(sources=(6, 3), **settings):
    return Meta(MetaTable(**settings), sources)


@pytest.mark.parametrize(("method", "batches"), [("reptile", 3), ("fomaml", 4)])
def test_each_pass_has_one_task_and_tasks_come_equally_often(method, batches):
    meta = meta_of((40, 7, 5), method=method, inner_steps=3)
    steps = list(islice(meta_steps(meta, 2, 3, 0), 20))
    assert steps == list(islice(meta_steps(meta, 2, 3, 0), 20))
    counts = [0, 0, 0]
    for step in steps:
        for (rows,) in step.passes:
            assert len(rows) == 2 * batches
            sources = {0 if row < 40 else 1 if row < 47 else 2 for row in rows}
            counts[sources.pop()] += 1
            assert not sources
    assert counts == [20, 20, 20]
    first = [row for step in steps for (rows,) in step.passes for row in rows if row < 40]
    assert sorted(first[:40]) == list(range(40))
    an_epoch = meta.steps_an_epoch(2, 3)
    assert [step.ends_epoch for step in steps][:an_epoch] == [False] * (an_epoch - 1) + [True]


@pytest.mark.parametrize("method", ["reptile", "fomaml"])
def test_the_gradient_is_that_of_the_paper(method):
    meta = meta_of(method=method, inner_steps=2, inner_rate=0.1)
    weight, idle = nn.Parameter(torch.tensor([1.0, -2.0])), nn.Parameter(torch.ones(1))
    weight.grad = torch.tensor([10.0, 10.0])
    aims = {0: 0.5, 1: 2.0, 2: -1.0, 3: 0.0, 4: 3.0, 5: 1.0}
    rows = list(aims)[: 2 * meta.batches]

    def gradient(at, batch):
        return sum(2 * (at - aims[row]) for row in batch) / len(batch)

    def backward(batch):
        (sum((weight - aims[row]).pow(2).sum() for row in batch) / 8).backward()
        return len(batch)

    at, way = weight.detach().clone(), []
    for first in range(0, len(rows), 2):
        way.append(gradient(at, rows[first : first + 2]))
        at = at - 0.1 * way[-1]
    expected = torch.stack(way).mean(0) if method == "reptile" else way[-1]
    assert learn_task(meta, [weight, idle], rows, 8, backward) == len(rows)
    torch.testing.assert_close(weight.grad, 10.0 + expected * len(rows) / 8)
    assert weight.tolist() == [1.0, -2.0]
    assert idle.grad is None


class Scaled(Part):
    """One scale a feature, after the last layer."""

    def __init__(self, site, features):
        super().__init__()
        self.site = site
        self.scale = nn.Parameter(torch.ones(1, features))

    def sites(self):
        return (self.site,)

    def at(self, site, inner, inputs, context):
        return inner(inputs) * self.scale


class Aimed(Objective):
    """The squared distance of sentence vectors to what a row's label says times its bare vector."""

    main_score = "nearness"

    def __init__(self, encoder):
        self.encoder = encoder

    def lengths(self, examples):
        return [len(example.text) for example in examples]

    def batch(self, examples, device):
        rows = self.encoder.encode([example.text for example in examples], [("lang:x",)] * len(examples))
        return Batch(rows, torch.tensor([float(example.label) for example in examples]))

    def loss(self, model, hidden_states, batch):
        vectors = model.pool(hidden_states, batch.rows.attention_mask)
        bare = vectors.detach() / model.components["lang:x"].parts["toy"].scale.detach()
        return Loss((vectors - bare * batch.targets[:, None]).pow(2).mean())


TEXTS = ("one of a kind", "the old house on the way", "short", "bright and happy", "two", "a dark and cold day")


def setup_of(folder, meta, **run):
    model = RoutedModel(tiny_backbone())
    part = Scaled(model.backbone.anatomy.layers[-1].feed_forward.norm, model.backbone.hidden_size)
    component = Component("lang:x", "lang", {"toy": part})
    model.attach(component)
    encoder = RowEncoder(model)
    rows = [Example(text, label=label) for label in ("2", "3") for text in TEXTS]
    trained = TrainedComponent(
        component=component,
        objective=Aimed(encoder),
        train=rows,
        validation=(),
        settings=LearningTable(learning_rate=0.05),
    )
    precision = Precision("float32", "no", "a test")
    settings = RunTable(**{"steps": 10, "batch_size": 2, "accumulation": 2, **run})
    return TrainingSetup(
        model=model,
        encoder=encoder,
        components=(trained,),
        settings=settings,
        precision=precision,
        checkpoints=folder,
        legacy_hash="identity",
        meta=meta,
    )


class Silent(Callback):
    def __init__(self):
        self.metrics = []

    def step_finished(self, step, metrics):
        self.metrics.append(dict(metrics))


def train(setup, resume=None, stop=lambda: False):
    watching = Silent()
    fit(setup, watching, resume, stop)
    return watching, setup.components[0].component.tensors()["toy.scale"]


@pytest.mark.parametrize("method", ["reptile", "fomaml"])
def test_a_run_ends_between_its_tasks_and_goes_on_to_the_bit(tmp_path, method):
    meta = meta_of((6, 6), method=method, inner_steps=2, inner_rate=0.1)
    watching, scale = train(setup_of(tmp_path / "a", meta, steps=60, schedule="constant"))
    assert 2.2 < float(scale.mean()) < 2.8
    assert watching.metrics[0]["loss"] > 2 * watching.metrics[-1]["loss"]
    stops = iter([False] * 4 + [True])
    broken = setup_of(tmp_path / "b", meta, steps=60, schedule="constant")
    with pytest.raises(Interrupted):
        train(broken, stop=lambda: next(stops))
    checkpoint = load_checkpoint(tmp_path / "b", "identity")
    _, again = train(setup_of(tmp_path / "b", meta, steps=60, schedule="constant"), resume=checkpoint)
    assert torch.equal(scale, again)


def test_one_inner_step_of_reptile_is_plain_training(tmp_path):
    meta = meta_of((6, 6), inner_steps=1, inner_rate=0.5)
    plain = setup_of(tmp_path, None)
    _, with_meta = train(setup_of(tmp_path, meta))
    rows = list(islice(meta_steps(meta, 2, 2, 0), 10))
    # The same rows in the same order, as an epoch of a data set that has each as often as it came.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StepPlan, "steps", lambda plan: iter(rows))
        _, without = train(replace(plain, checkpoints=tmp_path / "c"))
    torch.testing.assert_close(with_meta, without, atol=1e-6, rtol=1e-5)


SOURCE = {"reader": "csv", "path": "a.csv", "label": "label"}
VALUES = {
    "component": {"name": "x", "role": "task"},
    "parts": [{"method": "full"}],
    "objective": {"name": "supervised"},
    "data": {"train": [SOURCE, {**SOURCE, "stack": "lang:jav"}]},
    "training": {"meta": {"method": "fomaml", "inner_steps": 3}},
}


def test_a_recipe_says_it():
    made = recipe_of(VALUES)
    assert (made.training.meta.inner_steps, made.data.train[1].stack) == (3, "lang:jav")
    assert recipe_of(parse_toml(made.to_toml(), RecipeError, where="text")) == made


@pytest.mark.parametrize(
    ("training", "train", "message"),
    [
        ({"batch_tokens": 100}, 2, "meta cannot stand beside batch_tokens"),
        ({"precision": "float16"}, 2, "meta cannot learn in float16"),
        ({}, 1, "meta learns over several sources"),
        ({"meta": {"method": "maml"}}, 2, "training.meta.method: input should be 'reptile' or 'fomaml'"),
    ],
)
def test_mistakes(training, train, message):
    with pytest.raises(RecipeError) as caught:
        recipe_of({**VALUES, "data": {"train": [SOURCE] * train}, "training": {"meta": {}, **training}})
    assert message in str(caught.value)

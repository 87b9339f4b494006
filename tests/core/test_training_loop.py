"""The loop with several learners: each as if it was alone, and one without rows untouched."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from lect import Example, Part
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.errors import UserError
from lect.objectives import Batch, Loss
from lect.recipes.training import LearningTable, RunTable
from lect.testing.backbones import tiny_backbone
from lect.training.checkpoint import load_checkpoint
from lect.training.loop import fit
from lect.training.precision import Precision
from lect.training.task import Interrupted, Learner, Task

pytestmark = pytest.mark.models

TEXTS = ("one of a kind", "the old house on the way", "short", "bright and happy", "two", "a dark and cold day", "home")
FLOAT32 = Precision("float32", "no", "a test")


class Scaled(Part):
    """One scale a feature, after the last layer; its penalty draws it to nothing."""

    def __init__(self, site, features, draw):
        super().__init__()
        self.site, self.draw = site, draw
        self.scale = nn.Parameter(torch.ones(1, features))
        self.steps = []

    def sites(self):
        return (self.site,)

    def at(self, site, inner, inputs, context):
        return inner(inputs) * self.scale

    def penalty(self):
        return self.draw * self.scale.pow(2).sum() if self.draw else None

    def after_step(self, step, total_steps):
        self.steps.append((step, total_steps))


class Aimed:
    """The mean squared distance of sentence vectors to a constant."""

    main_score = "nearness"

    def __init__(self, encoder, key, aim, factor=1.0):
        self.encoder, self.key, self.aim, self.factor = encoder, key, aim, factor

    def lengths(self, examples):
        return [len(example.text) for example in examples]

    def batch(self, examples, device):
        rows = self.encoder.encode([example.text for example in examples], [(self.key,)] * len(examples))
        return Batch(rows, [example.text for example in examples])

    def loss(self, model, hidden_states, batch):
        assert hidden_states.shape[:2] == batch.rows.input_ids.shape
        vectors = model.pool(hidden_states, batch.rows.attention_mask)
        distance = (vectors - self.aim).pow(2).mean()
        return Loss(self.factor * distance, {"distance": float(distance.detach())})

    def scores(self, model, examples):
        with torch.no_grad():
            rows = self.batch(examples, "cpu")
            hidden = model(rows.rows)
            distance = self.loss(model, hidden, rows).terms["distance"]
        return {"nearness": 1 / (1 + distance)}

    def scores_without(self, model, examples):
        return {}


class Watching:
    def __init__(self, learners):
        self.learners, self.steps, self.metrics, self.scores = learners, [], [], []

    def stepped(self, step, metrics):
        self.metrics.append(dict(metrics))
        self.steps.append({one.key: one.component.tensors()["toy.scale"].clone() for one in self.learners})

    def evaluated(self, step, scores):
        self.scores.append(dict(scores))


def task_of(folder, learning, run, **named):
    """A task with one learner for each (name, texts, aim, penalty, factor, settings)."""
    model = RoutedModel(tiny_backbone("xlm-roberta"))
    encoder = RowEncoder(model)
    site = model.backbone.anatomy.layers[-1].feed_forward.output
    learners = []
    for name, texts, aim, draw, factor, settings in learning:
        component = Component(f"lang:{name}", "lang", {"toy": Scaled(site, model.backbone.hidden_size, draw)})
        model.attach(component)
        objective = Aimed(encoder, component.key, aim, factor)
        rows = [Example(text) for text in texts]
        learners.append(Learner(component, objective, rows, rows[:2], LearningTable(**settings)))
    return Task(model, encoder, tuple(learners), RunTable(**run), FLOAT32, folder, "identity", **named)


def trained(task, resume=None, stop=lambda: False):
    watching = Watching(task.learners)
    return watching, fit(task, watching, resume, stop)


ONE = ("one", TEXTS[:4], 0.5, 0.0, 1e10, {"learning_rate": 0.02, "weight_decay": 0.1})
TWO = ("two", TEXTS[3:], -0.5, 0.3, 0.01, {"learning_rate": 0.005})
ALL_IN_EACH = {"epochs": 5, "schedule": "linear", "clip": 0.5}


def test_each_learns_as_it_would_alone(tmp_path):
    # Every step has all rows of both, so that only the order in the sums differs. The gradients of one are so
    # large that, clipped together with them, the other's would be lost.
    together, results = trained(task_of(tmp_path, [ONE, TWO], {**ALL_IN_EACH, "batch_size": 8}))
    assert [result.rows for result in results] == [20, 20]
    for learning, result in zip((ONE, TWO), results, strict=True):
        alone, (own,) = trained(task_of(tmp_path, [learning], {**ALL_IN_EACH, "batch_size": 4}))
        key = f"lang:{learning[0]}"
        assert result.steps == own.steps == 5
        for mixed, single in zip(together.steps, alone.steps, strict=True):
            torch.testing.assert_close(mixed[key], single[key], rtol=1e-4, atol=1e-5)
        assert not torch.equal(alone.steps[-1][key], torch.ones_like(alone.steps[-1][key]))
        assert result.scores == pytest.approx(own.scores, rel=1e-3)
        for mixed, single in zip(together.metrics, alone.metrics, strict=True):
            assert mixed[f"{key}/loss"] == pytest.approx(single["loss"], rel=1e-3)
            assert mixed[f"{key}/distance"] == pytest.approx(single["distance"], rel=1e-3)
    first = together.metrics[0]
    assert first["loss"] == pytest.approx(first["lang:one/loss"] + first["lang:two/loss"])
    assert set(together.scores[0]) == {"lang:one/nearness", "lang:two/nearness"}


def test_accumulated_passes_make_the_mean_over_each_learners_own_rows(tmp_path):
    whole, _ = trained(task_of(tmp_path, [ONE, TWO], {**ALL_IN_EACH, "batch_size": 8}))
    parts, results = trained(task_of(tmp_path, [ONE, TWO], {**ALL_IN_EACH, "batch_size": 2, "accumulation": 4}))
    assert all(result.steps == 5 for result in results)
    for key in ("lang:one", "lang:two"):
        torch.testing.assert_close(whole.steps[-1][key], parts.steps[-1][key], rtol=1e-4, atol=1e-5)


def test_a_learner_without_rows_in_a_step_does_not_move(tmp_path):
    # One row a step: one learner has it, and the other nothing, neither penalty, decay nor momentum.
    task = task_of(tmp_path, [ONE, TWO], {"steps": 20, "batch_size": 1, "schedule": "constant", "warmup": 0.0})
    watching, results = trained(task)
    before = {learner.key: torch.ones_like(watching.steps[0][learner.key]) for learner in task.learners}
    for metrics, after in zip(watching.metrics, watching.steps, strict=True):
        for key in ("lang:one", "lang:two"):
            assert torch.equal(before[key], after[key]) == (f"{key}/loss" not in metrics)
        assert len({"lang:one/loss", "lang:two/loss"} & metrics.keys()) == 1
        before = after
    assert sum(result.rows for result in results) == 20
    assert min(result.rows for result in results) > 4
    # Whoever counts the run's steps is told of all of them.
    assert task.learners[0].component.parts["toy"].steps == [(step, 20) for step in range(1, 21)]


def test_a_run_that_goes_on_is_the_same_to_the_bit(tmp_path):
    run = {"epochs": 4, "batch_size": 3, "seed": 3}
    unbroken, results = trained(task_of(tmp_path / "a", [ONE, TWO], run))
    stops = iter([False] * 4 + [True])
    with pytest.raises(Interrupted):
        trained(task_of(tmp_path / "b", [ONE, TWO], run), stop=lambda: next(stops))
    checkpoint = load_checkpoint(tmp_path / "b", "identity")
    assert checkpoint is not None
    assert checkpoint.state.step == 5
    assert checkpoint.tensors.keys() == {"lang:one", "lang:two"}
    resumed, again = trained(task_of(tmp_path / "b", [ONE, TWO], run), resume=checkpoint)
    assert len(resumed.steps) == len(unbroken.steps) - 5
    for key, scale in unbroken.steps[-1].items():
        assert torch.equal(resumed.steps[-1][key], scale)
    assert [(r.steps, r.rows, r.scores) for r in results] == [(r.steps, r.rows, r.scores) for r in again]


def test_each_keeps_its_own_best_and_the_run_ends_when_none_gains(tmp_path):
    scores = {"lang:one": [0.5, 0.4, 0.4, 0.4, 0.3, 0.5, 0.1], "lang:two": [0.1, 0.2, 0.3, 0.1, 0.3, 0.2, 0.4]}
    task = task_of(tmp_path, [ONE, TWO], {"steps": 60, "batch_size": 4, "evaluate_every": 1, "patience": 3})
    for learner in task.learners:
        scripted = iter(scores[learner.key])
        learner.objective.scores = lambda model, examples, scripted=scripted: {"nearness": next(scripted)}
    watching, results = trained(task)
    # The first waits since step 1, the second since step 3, as a score that is the same is no gain.
    assert len(watching.steps) == 6
    for learner, result, best in zip(task.learners, results, (1, 3), strict=True):
        assert result.steps == 6
        assert result.scores == {"nearness": max(scores[learner.key][:6])}
        assert torch.equal(learner.component.tensors()["toy.scale"], watching.steps[best - 1][learner.key])


@pytest.mark.parametrize(
    ("metric", "given", "steps", "best"),
    [
        # Declared as better the lower, a loss that nobody declared, and one that is better the higher.
        ("distance", [0.5, 0.4, 0.3, 0.3, 0.35, 0.3, 0.1], 6, 3),
        ("loss", [3.0, 2.0, 4.0, 4.0, 4.0, 1.0, 1.0], 5, 2),
        (None, [0.1, 0.3, 0.2, 0.3, 0.1, 0.9, 0.9], 5, 2),
    ],
)
def test_the_best_validation_is_that_of_the_scores_own_direction(tmp_path, metric, given, steps, best):
    name, texts, aim, draw, factor, settings = ONE
    settings = {**settings, **({"metric": metric} if metric else {})}
    run = {"steps": 60, "batch_size": 4, "evaluate_every": 1, "patience": 3}
    task = task_of(tmp_path, [(name, texts, aim, draw, factor, settings)], run)
    (learner,) = task.learners
    learner.objective.directions = {"distance": "lower"}
    scripted = iter(given)
    learner.objective.scores = lambda model, examples: {metric or "nearness": next(scripted)}
    watching, (result,) = trained(task)
    assert result.steps == steps == len(watching.steps)
    assert result.scores == {metric or "nearness": given[best - 1]}
    assert torch.equal(learner.component.tensors()["toy.scale"], watching.steps[best - 1][learner.key])


class Bursting(Scaled):
    """A part whose weights leave the numbers after a step, as an optimiser may make them."""

    after, value = 3, float("nan")

    def after_step(self, step, total_steps):
        if step == self.after:
            with torch.no_grad():
                self.scale[0, 0] = self.value


def bursting(folder, run, validated=True, **attributes):
    task = task_of(folder, [ONE], run)
    (learner,) = task.learners
    part = learner.component.parts["toy"]
    part.__class__ = type("Bursting", (Bursting,), attributes)
    if not validated:
        task = replace(task, learners=(replace(learner, validation=()),))
    return task


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("evaluate_every", [1, 3])
def test_weights_that_are_no_numbers_are_never_the_best(tmp_path, value, evaluate_every):
    # After the last step of all: no later loss would show it.
    run = {"steps": 3, "batch_size": 4, "evaluate_every": evaluate_every}
    task = bursting(tmp_path, run, value=value)
    (learner,) = task.learners
    watching = Watching(task.learners)
    with pytest.raises(UserError, match=r"the weights of lang:one hold (NaN|infinite values) after step 3") as caught:
        fit(task, watching, None, lambda: False)
    (result,) = caught.value.results
    if evaluate_every == 3:
        assert result is None
        return
    assert result.steps == 3 and len(watching.scores) == 2
    best = max(range(2), key=lambda place: watching.scores[place]["nearness"])
    assert result.scores == watching.scores[best]
    assert torch.equal(learner.component.tensors()["toy.scale"], watching.steps[best][learner.key])


def test_a_run_without_validation_keeps_no_weights_that_are_no_numbers(tmp_path):
    with pytest.raises(UserError, match="the weights of lang:one hold NaN after step 3"):
        trained(bursting(tmp_path, {"steps": 3, "batch_size": 4}, validated=False))


def test_no_checkpoint_holds_weights_that_are_no_numbers(tmp_path):
    task = bursting(tmp_path, {"steps": 9, "batch_size": 4, "checkpoint_every": 3})
    with pytest.raises(UserError, match="hold NaN after step 3"):
        trained(task)
    assert load_checkpoint(tmp_path, "identity") is None


def test_a_validation_score_that_is_no_number_ends_the_run_with_the_best_before(tmp_path):
    task = task_of(tmp_path, [ONE], {"steps": 9, "batch_size": 4, "evaluate_every": 1})
    (learner,) = task.learners
    scripted = iter([0.1, 0.3, float("nan")])
    learner.objective.scores = lambda model, examples: {"nearness": next(scripted)}
    watching = Watching(task.learners)
    with pytest.raises(UserError, match='the validation score "nearness" of lang:one is nan') as caught:
        fit(task, watching, None, lambda: False)
    assert caught.value.results[0].scores == {"nearness": 0.3}
    assert torch.equal(learner.component.tensors()["toy.scale"], watching.steps[1][learner.key])


def test_a_loss_that_is_no_number_names_its_component(tmp_path):
    lost = ("lost", TEXTS[:4], float("nan"), 0.0, 1.0, {})
    with pytest.raises(UserError, match="the loss of lang:lost is nan at step 1"):
        trained(task_of(tmp_path, [ONE, lost], {"steps": 3, "batch_size": 8}))

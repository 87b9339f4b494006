"""The loop with several components: each as if it was alone, and one without rows untouched."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from loops import TEXTS, Scaled, fit, setup_of

from lect.errors import Interrupted, UserError
from lect.training.callbacks.base import Callback
from lect.training.checkpoint import load_checkpoint

pytestmark = pytest.mark.models


class Watching(Callback):
    def __init__(self, components):
        self.components, self.steps, self.metrics, self.scores = components, [], [], []

    def step_finished(self, step, metrics):
        self.metrics.append(dict(metrics))
        self.steps.append({one.key: one.component.tensors()["toy.scale"].clone() for one in self.components})

    def validation_finished(self, step, scores):
        self.scores.append(dict(scores))


def train(setup, resume=None, stop=lambda: False):
    watching = Watching(setup.components)
    return watching, fit(setup, watching, resume, stop)


ONE = ("one", TEXTS[:4], 0.5, 0.0, 1e10, {"learning_rate": 0.02, "weight_decay": 0.1})
TWO = ("two", TEXTS[3:], -0.5, 0.3, 0.01, {"learning_rate": 0.005})
ALL_IN_EACH = {"epochs": 5, "schedule": "linear", "clip": 0.5}


def test_each_learns_as_it_would_alone(tmp_path):
    # Every step has all rows of both, so that only the order in the sums differs. The gradients of one are so
    # large that, clipped together with them, the other's would be lost.
    together, results = train(setup_of(tmp_path, [ONE, TWO], {**ALL_IN_EACH, "batch_size": 8}))
    assert [result.rows for result in results] == [20, 20]
    for learning, result in zip((ONE, TWO), results, strict=True):
        alone, (own,) = train(setup_of(tmp_path, [learning], {**ALL_IN_EACH, "batch_size": 4}))
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
    whole, _ = train(setup_of(tmp_path, [ONE, TWO], {**ALL_IN_EACH, "batch_size": 8}))
    parts, results = train(setup_of(tmp_path, [ONE, TWO], {**ALL_IN_EACH, "batch_size": 2, "accumulation": 4}))
    assert all(result.steps == 5 for result in results)
    for key in ("lang:one", "lang:two"):
        torch.testing.assert_close(whole.steps[-1][key], parts.steps[-1][key], rtol=1e-4, atol=1e-5)


def test_a_learner_without_rows_in_a_step_does_not_move(tmp_path):
    # One row a step: one trained has it, and the other nothing, neither penalty, decay nor momentum.
    setup = setup_of(tmp_path, [ONE, TWO], {"steps": 20, "batch_size": 1, "schedule": "constant", "warmup": 0.0})
    watching, results = train(setup)
    before = {trained.key: torch.ones_like(watching.steps[0][trained.key]) for trained in setup.components}
    for metrics, after in zip(watching.metrics, watching.steps, strict=True):
        for key in ("lang:one", "lang:two"):
            assert torch.equal(before[key], after[key]) == (f"{key}/loss" not in metrics)
        assert len({"lang:one/loss", "lang:two/loss"} & metrics.keys()) == 1
        before = after
    assert sum(result.rows for result in results) == 20
    assert min(result.rows for result in results) > 4
    # Whoever counts the run's steps is told of all of them.
    assert setup.components[0].component.parts["toy"].steps == [(step, 20) for step in range(1, 21)]


def test_a_run_that_goes_on_is_the_same_to_the_bit(tmp_path):
    run = {"epochs": 4, "batch_size": 3, "seed": 3}
    unbroken, results = train(setup_of(tmp_path / "a", [ONE, TWO], run))
    stops = iter([False] * 4 + [True])
    with pytest.raises(Interrupted):
        train(setup_of(tmp_path / "b", [ONE, TWO], run), stop=lambda: next(stops))
    checkpoint = load_checkpoint(tmp_path / "b", "identity")
    assert checkpoint is not None
    assert checkpoint.state.step == 5
    assert checkpoint.tensors.keys() == {"lang:one", "lang:two"}
    resumed, again = train(setup_of(tmp_path / "b", [ONE, TWO], run), resume=checkpoint)
    assert len(resumed.steps) == len(unbroken.steps) - 5
    for key, scale in unbroken.steps[-1].items():
        assert torch.equal(resumed.steps[-1][key], scale)
    assert [(r.steps, r.rows, r.scores) for r in results] == [(r.steps, r.rows, r.scores) for r in again]


def test_each_keeps_its_own_best_and_the_run_ends_when_none_gains(tmp_path):
    scores = {"lang:one": [0.5, 0.4, 0.4, 0.4, 0.3, 0.5, 0.1], "lang:two": [0.1, 0.2, 0.3, 0.1, 0.3, 0.2, 0.4]}
    setup = setup_of(tmp_path, [ONE, TWO], {"steps": 60, "batch_size": 4, "evaluate_every": 1, "patience": 3})
    for trained in setup.components:
        scripted = iter(scores[trained.key])
        trained.objective.scores = lambda model, examples, scripted=scripted: {"nearness": next(scripted)}
    watching, results = train(setup)
    # The first waits since step 1, the second since step 3, as a score that is the same is no gain.
    assert len(watching.steps) == 6
    for trained, result, best in zip(setup.components, results, (1, 3), strict=True):
        assert result.steps == 6
        assert result.scores == {"nearness": max(scores[trained.key][:6])}
        assert torch.equal(trained.component.tensors()["toy.scale"], watching.steps[best - 1][trained.key])


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
    setup = setup_of(tmp_path, [(name, texts, aim, draw, factor, settings)], run)
    (trained,) = setup.components
    trained.objective.directions = {"distance": "lower"}
    scripted = iter(given)
    trained.objective.scores = lambda model, examples: {metric or "nearness": next(scripted)}
    watching, (result,) = train(setup)
    assert result.steps == steps == len(watching.steps)
    assert result.scores == {metric or "nearness": given[best - 1]}
    assert torch.equal(trained.component.tensors()["toy.scale"], watching.steps[best - 1][trained.key])


class Bursting(Scaled):
    """A part whose weights leave the numbers after a step, as an optimiser may make them."""

    after, value = 3, float("nan")

    def after_step(self, step, total_steps):
        if step == self.after:
            with torch.no_grad():
                self.scale[0, 0] = self.value


def bursting(folder, run, validated=True, **attributes):
    setup = setup_of(folder, [ONE], run)
    (trained,) = setup.components
    part = trained.component.parts["toy"]
    part.__class__ = type("Bursting", (Bursting,), attributes)
    if not validated:
        setup = replace(setup, components=(replace(trained, validation=()),))
    return setup


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("evaluate_every", [1, 3])
def test_weights_that_are_no_numbers_are_never_the_best(tmp_path, value, evaluate_every):
    # After the last step of all: no later loss would show it.
    run = {"steps": 3, "batch_size": 4, "evaluate_every": evaluate_every}
    setup = bursting(tmp_path, run, value=value)
    (trained,) = setup.components
    watching = Watching(setup.components)
    with pytest.raises(UserError, match=r"the weights of lang:one hold (NaN|infinite values) after step 3") as caught:
        fit(setup, watching, None, lambda: False)
    (result,) = caught.value.results
    if evaluate_every == 3:
        assert result is None
        return
    assert result.steps == 3 and len(watching.scores) == 2
    best = max(range(2), key=lambda place: watching.scores[place]["nearness"])
    assert result.scores == watching.scores[best]
    assert torch.equal(trained.component.tensors()["toy.scale"], watching.steps[best][trained.key])


def test_a_run_without_validation_keeps_no_weights_that_are_no_numbers(tmp_path):
    with pytest.raises(UserError, match="the weights of lang:one hold NaN after step 3"):
        train(bursting(tmp_path, {"steps": 3, "batch_size": 4}, validated=False))


def test_no_checkpoint_holds_weights_that_are_no_numbers(tmp_path):
    setup = bursting(tmp_path, {"steps": 9, "batch_size": 4, "checkpoint_every": 3})
    with pytest.raises(UserError, match="hold NaN after step 3"):
        train(setup)
    assert load_checkpoint(tmp_path, "identity") is None


def test_a_validation_score_that_is_no_number_ends_the_run_with_the_best_before(tmp_path):
    setup = setup_of(tmp_path, [ONE], {"steps": 9, "batch_size": 4, "evaluate_every": 1})
    (trained,) = setup.components
    scripted = iter([0.1, 0.3, float("nan")])
    trained.objective.scores = lambda model, examples: {"nearness": next(scripted)}
    watching = Watching(setup.components)
    with pytest.raises(UserError, match='the validation score "nearness" of lang:one is nan') as caught:
        fit(setup, watching, None, lambda: False)
    assert caught.value.results[0].scores == {"nearness": 0.3}
    assert torch.equal(trained.component.tensors()["toy.scale"], watching.steps[1][trained.key])


def test_a_loss_that_is_no_number_names_its_component(tmp_path):
    lost = ("lost", TEXTS[:4], float("nan"), 0.0, 1.0, {})
    with pytest.raises(UserError, match="the loss of lang:lost is nan at step 1"):
        train(setup_of(tmp_path, [ONE, lost], {"steps": 3, "batch_size": 8}))

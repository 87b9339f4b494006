"""Callbacks of the training loop: what they are told and when, what they may change, and what is kept of them."""

from __future__ import annotations

import json

import pytest
import torch
from loops import TEXTS, fit, setup_of

from lect.errors import Interrupted, UserError
from lect.training.callbacks.base import Callback, CallbackError, Callbacks
from lect.training.checkpoint import checkpoints, load_checkpoint

ONE = ("one", TEXTS[:4], 0.5, 0.0, 1.0, {"learning_rate": 0.02})
TWO = ("two", TEXTS[3:], -0.5, 0.0, 1.0, {"learning_rate": 0.02})
KEY = "lang:one"


class Recorder(Callback):
    """All events but those of the run's end, which are not the loop's."""

    def __init__(self):
        self.events = []

    def checkpoint_loaded(self, step):
        self.events.append(f"loaded {step}")

    def epoch_started(self, epoch):
        self.events.append(f"epoch {epoch}")

    def step_started(self, step):
        self.events.append(f"step {step}")

    def batch_started(self, step, rows):
        self.events.append(f"batch of {sum(map(len, rows.values()))}")

    def batch_finished(self, step, figures):
        assert {"loss", "distance"} <= figures[KEY].keys()
        self.events.append("batch done")

    def gradients_ready(self, step, parameters):
        assert parameters[KEY]["toy.scale"].grad is not None
        self.events.append("gradients")

    def step_finished(self, step, metrics):
        assert metrics["loss"] > 0
        self.events.append(f"step {step} done")

    def validation_started(self, step):
        self.events.append("validation")

    def validation_finished(self, step, scores):
        assert scores.keys() == {"nearness"}
        self.events.append("validation done")

    def checkpoint_written(self, step, folder):
        assert folder.is_dir()
        self.events.append(f"written {step}")

    def epoch_ended(self, epoch):
        self.events.append(f"epoch {epoch} done")


def test_events_come_in_their_order(tmp_path):
    recorder = Recorder()
    run = {"epochs": 2, "batch_size": 2, "accumulation": 2, "checkpoint_every": 1}
    fit(setup_of(tmp_path, [ONE], run), recorder)
    step = ["batch of 2", "batch done", "batch of 2", "batch done", "gradients"]
    first = ["epoch 1", "step 1", *step, "step 1 done", "validation", "validation done", "written 1", "epoch 1 done"]
    last = ["epoch 2", "step 2", *step, "step 2 done", "validation", "validation done", "epoch 2 done"]
    assert recorder.events == [*first, *last]


def test_a_run_that_goes_on_is_told_where(tmp_path):
    run = {"epochs": 2, "batch_size": 2}
    stops = iter([False, False, True])
    with pytest.raises(Interrupted):
        fit(setup_of(tmp_path, [ONE], run), Recorder(), stop=lambda: next(stops))
    recorder = Recorder()
    fit(setup_of(tmp_path, [ONE], run), recorder, load_checkpoint(tmp_path, "identity"))
    assert recorder.events[:3] == ["loaded 3", "epoch 2", "step 4"]


def test_gradients_may_be_changed_before_the_step(tmp_path):
    class Frozen(Callback):
        def gradients_ready(self, step, parameters):
            parameters[KEY]["toy.scale"].grad.zero_()

    setup = setup_of(tmp_path, [ONE], {"steps": 3, "batch_size": 4})
    fit(setup, Frozen())
    scale = setup.components[0].component.tensors()["toy.scale"]
    assert torch.equal(scale, torch.ones_like(scale))


class Counter(Callback):
    """Ends a run after so many steps, of all its stretches."""

    def __init__(self, end):
        self.end, self.count, self.sums = end, 0, torch.zeros(2)

    def step_finished(self, step, metrics):
        self.count += 1
        self.sums += torch.tensor([1.0, metrics["loss"]])
        if self.count == self.end:
            self.ask_to_stop("it was enough")

    def state_dict(self):
        return {"count": self.count, "sums": self.sums}

    def load_state_dict(self, state):
        self.count, self.sums = state["count"], state["sums"]


def test_a_run_ends_where_a_callback_asks_for_it_as_if_that_was_its_last_step(tmp_path):
    recorder, counter = Recorder(), Counter(3)
    setup = setup_of(tmp_path, [ONE], {"steps": 100, "batch_size": 4, "evaluate_every": 50})
    from lect.training.loop import TrainingLoop

    (result,) = TrainingLoop(setup, Callbacks([counter, recorder]), lambda: False).run(None)
    assert result.steps == 3 and result.scores.keys() == {"nearness"}
    assert recorder.events[-3:] == ["validation", "validation done", "epoch 3 done"]
    # The same object serves another run.
    (result,) = TrainingLoop(setup, Callbacks([counter]), lambda: False).run(None)
    assert result.steps == 100 and counter.count == 103


@pytest.mark.parametrize("old", [False, True], ids=["now", "of an earlier version"])
def test_checkpoints_keep_what_callbacks_know(tmp_path, old):
    run = {"steps": 10, "batch_size": 4}
    stops = iter([False, True])
    unbroken = Counter(99)
    fit(setup_of(tmp_path / "whole", [ONE], run), unbroken)
    with pytest.raises(Interrupted):
        fit(setup_of(tmp_path / "part", [ONE], run), Counter(99), stop=lambda: next(stops))
    if old:
        [folder] = checkpoints(tmp_path / "part")
        running = torch.load(folder / "running.pt", weights_only=True)
        del running["callbacks"]
        torch.save(running, folder / "running.pt")
        state = json.loads((folder / "state.json").read_text())
        state["ground"] = state.pop("fingerprint")
        del state["has_ended"]
        (folder / "state.json").write_text(json.dumps(state))
    resumed, checkpoint = Counter(99), load_checkpoint(tmp_path / "part", "identity")
    assert checkpoint.state.fingerprint is not None
    fit(setup_of(tmp_path / "part", [ONE], run), resumed, checkpoint)
    assert resumed.count == (8 if old else 10)
    if not old:
        torch.testing.assert_close(resumed.sums, unbroken.sums)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ValueError("no such thing"),
            'training: the callback "my own" has failed (ValueError: no such thing)',
        ),
        (
            UserError("hot", where="room", fix="wait"),
            'room: the callback "my own" has failed: hot; wait',
        ),
    ],
    ids=["any", "of the user's"],
)
def test_an_error_ends_the_run_and_names_the_callback(tmp_path, error, told):
    class Broken(Callback):
        name = "my own"

        def validation_started(self, step):
            raise error

    with pytest.raises(CallbackError) as caught:
        fit(setup_of(tmp_path, [ONE], {"steps": 3, "batch_size": 4, "evaluate_every": 2}), Broken())
    assert str(caught.value).startswith(told) and caught.value.__cause__ is error


def test_a_state_that_no_checkpoint_can_keep_is_said_before_one_is_spoilt(tmp_path):
    class Hoarder(Callback):
        def state_dict(self):
            return {"seen": [object()]}

    setup = setup_of(tmp_path, [ONE], {"steps": 3, "batch_size": 4, "checkpoint_every": 1})
    with pytest.raises(CallbackError, match=r'"Hoarder" has failed \(TypeError: its state holds a object'):
        fit(setup, Hoarder())
    assert not checkpoints(tmp_path)


def test_two_of_one_name_are_refused():
    with pytest.raises(UserError, match='two callbacks of the run are called "Recorder"; give one of them'):
        Callbacks([Recorder(), Recorder()])


def test_of_several_processes_only_the_main_one_tells_but_those_that_must_be_everywhere():
    main_only, everywhere = Recorder(), Recorder()
    everywhere.in_every_process, everywhere.__class__ = True, type("Everywhere", (Recorder,), {})
    Callbacks([main_only, everywhere], is_main=False).tell(Callback.step_started, 1)
    assert (main_only.events, everywhere.events) == ([], ["step 1"])


def test_figures_of_several_components_bear_their_keys(tmp_path):
    class Metrics(Callback):
        rows = ()

        def batch_started(self, step, rows):
            self.rows = {key: [example.text for example in own] for key, own in rows.items()}

        def step_finished(self, step, metrics):
            self.metrics = metrics

    callback = Metrics()
    fit(setup_of(tmp_path, [ONE, TWO], {"steps": 1, "batch_size": 8}), callback)
    assert {"lang:one/loss", "lang:two/loss", "lang:one/distance", "loss", "seconds"} <= callback.metrics.keys()
    assert {key: set(texts) for key, texts in callback.rows.items()} == {
        "lang:one": set(TEXTS[:4]),
        "lang:two": set(TEXTS[3:]),
    }

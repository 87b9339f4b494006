"""Callbacks of whole runs: told of start and end, able to end a run, and no harm to it once it has ended."""

from __future__ import annotations

import importlib
import inspect
import re
import signal
from pathlib import Path

import pytest
from rich.console import Console

from lect.errors import Interrupted, UserError
from lect.host import Host
from lect.recipes.recipe import load_recipe
from lect.storage.library import Library
from lect.storage.manifest import read_manifest
from lect.training.callbacks.base import Callback, CallbackError
from lect.training.prepare import prepare_run
from lect.training.run import execute_run

COMPONENT = Path("components/task/mood/component.toml")


@pytest.fixture(scope="module")
def host():
    return Host.load(report=print)


@pytest.fixture
def execute(workspace, host):
    """Executes the recipe with callbacks; what it says."""

    def run(*callbacks, steps=4, resume=False):
        overrides = ("training.epochs=", f"training.steps={steps}", "training.evaluate_every=100")
        recipe = load_recipe(Path("task.toml"), overrides=overrides)
        prepared = prepare_run(recipe, host, Library((Path("components"),)))
        console = Console(record=True, width=200)
        trained = execute_run(prepared, console=console, resume=resume, callbacks=callbacks)
        return trained[0], console.export_text()

    return run


class Ends(Callback):
    """How runs start and end."""

    def __init__(self):
        self.told = []

    def run_started(self, run, step):
        self.told.append(("started", run.name, run.total_steps, step))

    def run_finished(self, outcome):
        self.told.append((outcome.status, outcome.steps, [folder.name for folder in outcome.components]))

    def run_interrupted(self, outcome):
        self.told.append((outcome.status, outcome.steps))

    def run_failed(self, outcome):
        self.told.append((outcome.status, type(outcome.error)))

    def close(self):
        self.told.append("closed")


class At(Callback):
    """Does something after a step."""

    def __init__(self, step, action):
        self.step, self.action = step, action

    def step_finished(self, step, metrics):
        if step == self.step:
            self.action(self)


def test_a_run_that_is_interrupted_and_goes_on_says_so(execute):
    ends = Ends()
    with pytest.raises(Interrupted):
        execute(ends, At(3, lambda callback: signal.raise_signal(signal.SIGINT)))
    execute(ends, resume=True)
    interrupted = [("started", "mood", 4, 0), ("interrupted", 3), "closed"]
    assert ends.told == [*interrupted, ("started", "mood", 4, 3), ("finished", 4, ["mood"]), "closed"]


def test_a_callback_that_ends_a_run_leaves_a_component_of_that_step(execute):
    trained, said = execute(At(2, lambda callback: callback.ask_to_stop("there is no more time")), steps=50)
    assert "Ended after step 2: there is no more time." in said
    assert trained.result.steps == 2 and trained.result.scores
    assert read_manifest(COMPONENT).training.steps == 2


def test_what_a_callback_has_ended_is_not_gone_on_with(execute):
    """The component could not be written: what is resumed is at its end."""

    def end(callback):
        callback.ask_to_stop("it was enough")
        Path("components").write_text("in the way")

    with pytest.raises(UserError, match="finish with --resume"):
        execute(At(2, end), steps=50)
    Path("components").unlink()
    trained, _ = execute(steps=50, resume=True)
    assert trained.result.steps == 2 and COMPONENT.is_file()


def test_a_callback_that_fails_ends_the_run_and_all_are_told(execute):
    ends = Ends()
    with pytest.raises(CallbackError, match='the callback "At" has failed'):
        execute(At(2, lambda callback: 1 / 0), ends)
    assert ends.told == [("started", "mood", 4, 0), ("failed", CallbackError), "closed"]
    assert not COMPONENT.exists()


def test_a_callback_that_fails_at_the_end_is_reported_and_the_component_is_there(execute):
    class Late(Callback):
        def run_finished(self, outcome):
            raise OSError("too late")

    ends = Ends()
    _, said = execute(Late(), ends)
    assert 'warning: training: the callback "Late" has failed (OSError: too late)' in said
    assert COMPONENT.is_file() and ends.told[-1] == "closed"


PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")


def test_the_page_s_callback_ends_a_run(workspace):
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(code.replace("1_000_000", "200"), {})
    assert read_manifest(COMPONENT).training.steps < 10


def test_the_page_has_every_event_and_real_names():
    events = {name for name, member in vars(Callback).items() if inspect.isfunction(member)}
    assert events - set(re.findall(r"`(\w+)\(", PAGE)) == set()
    names = re.findall(r"`(\w+)` \(`(lect[\w.]+)`\)", PAGE)
    assert len(names) >= 6
    for name, module in names:
        assert hasattr(importlib.import_module(module), name)

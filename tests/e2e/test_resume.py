"""Runs that go on, or say why they cannot: what they read has changed; a place is taken, full or out of reach."""

from __future__ import annotations

import json
import os
import shlex
import signal
from pathlib import Path

import pytest
from disks import small_disk
from safetensors.torch import load_file, save_file

from lect.errors import Interrupted
from lect.training.callbacks.recording import MetricsFile
from lect.training.checkpoint import checkpoints
from lect.training.holding import run_alone

__all__ = ["small_disk"]
SHORT = ("--set", "training.epochs=2", "--set", "training.log_every=1")
KEPT = Path("runs/task-mood/checkpoints")
WEIGHTS = Path("components/task/mood/weights.safetensors")


@pytest.fixture
def stopped(workspace, monkeypatch):
    """Runs a command that Ctrl-C stops after so many steps."""

    def run(*arguments, after=3):
        stepped = MetricsFile.step_finished

        def interrupted(self, step, metrics):
            stepped(self, step, metrics)
            if step == after:
                signal.raise_signal(signal.SIGINT)

        with monkeypatch.context() as patch:
            patch.setattr(MetricsFile, "step_finished", interrupted)
            result = workspace.lect(*arguments)
        assert result.exit_code == 130, result.stderr
        return result

    return run


# --------------------------------------------------------------------------------------------- what decides a result


DICTIONARY = "fine\tgreat\ngreat\thappy\nbright\twarm\nthe\ta\nday\tday\n"


def learn(workspace, name="cipher"):
    changes = options([f"component.name={name}", "training.epochs=", "training.steps=1"])
    result = workspace.lect("train", "language.toml", *changes)
    assert result.exit_code == 0, result.stderr


def stack(workspace):
    """A task over a language that is trained again."""
    learn(workspace)
    file = Path("components/lang/cipher/weights.safetensors")

    def change():
        save_file({name: tensor + 1 for name, tensor in load_file(file).items()}, file)

    return "task.toml", ["--set", "stack=lang:cipher"], change, 'the component "lang:cipher" has changed'


def target(workspace):
    """A language that is aimed at another's vectors."""
    learn(workspace, "other")
    file = Path("components/lang/other/weights.safetensors")

    def change():
        save_file({name: tensor + 1 for name, tensor in load_file(file).items()}, file)

    return "language.toml", ["--set", "objective.target=lang:other"], change, 'the component "lang:other" has changed'


def words(workspace):
    """The dictionary of an objective."""
    file = workspace.write("words.tsv", DICTIONARY)
    changes = ["objective.tokens=1.0", "objective.dictionary={path='words.tsv'}"]
    told = "the file words.tsv (objective.dictionary.path) has changed"
    return "language.toml", options(changes), lambda: file.write_text(DICTIONARY + "and\tand\n"), told


def switching(workspace):
    """The dictionary that words are switched by."""
    file = workspace.write("words.tsv", DICTIONARY)
    recipe = Path("task.toml")
    recipe.write_text(
        recipe.read_text() + '[data.code_switching]\ndictionary = {reader="dictionary", path="words.tsv"}\n'
    )
    told = "the dictionary of data.code_switching has changed"
    return "task.toml", [], lambda: file.write_text(DICTIONARY + "and\tor\n"), told


def rows(workspace):
    file = Path("train.csv")
    return (
        "task.toml",
        [],
        lambda: file.write_text(file.read_text() + "160,a fine day,good\n"),
        "data.train has changed",
    )


def field(workspace):
    recipe = Path("task.toml")
    changed = recipe.read_text().replace("learning_rate = 3e-3", "learning_rate = 1e-3")
    return "task.toml", [], lambda: recipe.write_text(changed), "training.learning_rate was 0.003 and is 0.001"


def options(changes):
    return [word for change in changes for word in ("--set", change)]


@pytest.mark.parametrize("case", [stack, target, words, switching, rows, field])
def test_no_run_goes_on_where_what_it_reads_has_changed(workspace, stopped, case):
    recipe, changes, change, told = case(workspace)
    stopped("train", recipe, *SHORT, *changes)
    change()
    refused = workspace.lect("train", recipe, *SHORT, *changes, "--resume")
    assert refused.exit_code == 1
    [line] = [line for line in refused.stderr.splitlines() if line.startswith("error")]
    assert f"its checkpoint is of another run: {told}; undo the change" in line


# ------------------------------------------------------------------------------------------ the components' folder


def test_a_place_that_cannot_be_written_to_is_said_before_training(workspace):
    workspace.write("components", "a file, not a folder")
    refused = workspace.lect("train", "task.toml", *SHORT)
    assert refused.exit_code == 1
    assert "components is a file, not a folder" in refused.stderr
    assert not Path("runs/task-mood/metrics.jsonl").exists()
    Path("components").unlink()
    Path("components/task/mood").mkdir(parents=True)
    workspace.write("components/task/mood/notes.txt", "of somebody")
    refused = workspace.lect("train", "task.toml", *SHORT)
    assert refused.exit_code == 1
    assert "holds something else than a component" in refused.stderr
    assert not Path("runs/task-mood/metrics.jsonl").exists()


@pytest.mark.parametrize(
    ("changes", "steps"),
    [(["training.epochs=1"], 10), (["training.epochs=3", "training.patience=1", "training.learning_rate=1e-9"], 20)],
    ids=["at its end", "early"],
)
def test_what_cannot_be_written_at_the_end_stays_and_is_written_later(workspace, monkeypatch, changes, steps):
    settings = options([*changes, "training.log_every=1"])
    evaluated = MetricsFile.validation_finished

    def in_the_way(self, step, scores):
        evaluated(self, step, scores)
        Path("components").write_text("in the way")

    with monkeypatch.context() as patch:
        patch.setattr(MetricsFile, "validation_finished", in_the_way)
        failed = workspace.lect("train", "task.toml", *settings)
    assert failed.exit_code == 1
    [line] = [line for line in failed.stderr.splitlines() if line.startswith("error")]
    assert "components is a file, not a folder" in line
    assert f"finish with --resume: all that was learned is in {checkpoints(KEPT)[-1]}" in line
    log = Path("runs/task-mood/metrics.jsonl").read_text()

    Path("components").unlink()
    finished = workspace.lect("train", "task.toml", *settings, "--resume", "--json")
    assert finished.exit_code == 0, finished.stderr
    assert json.loads(finished.stdout)["steps"] == int(checkpoints(KEPT)[-1].name[5:]) == steps
    # Nothing was trained again.
    assert Path("runs/task-mood/metrics.jsonl").read_text() == log
    unbroken = WEIGHTS.read_bytes()
    assert workspace.lect("train", "task.toml", *settings).exit_code == 0
    assert WEIGHTS.read_bytes() == unbroken


# -------------------------------------------------------------------------------------------------- a folder's lock


def test_a_second_run_in_a_folder_says_who_holds_it(workspace):
    with run_alone(Path("runs/task-mood")):
        refused = workspace.lect("train", "task.toml", *SHORT)
    assert refused.exit_code == 1
    assert f"runs/task-mood: another run is going on there: process {os.getpid()} on " in refused.stderr
    assert sorted(path.name for path in Path("runs/task-mood").iterdir()) == [".lock"]
    assert workspace.lect("train", "task.toml", *SHORT).exit_code == 0


# ------------------------------------------------------------------------------------------------------- full disks


@pytest.mark.processes
def test_a_disk_that_is_full_for_the_largest_file_of_a_checkpoint(workspace, small_disk, monkeypatch):
    settings = [*SHORT, "--set", "training.checkpoint_every=5", "--set", f"output.folder={small_disk.folder}/run"]
    kept = small_disk.folder / "run/checkpoints"
    stepped = MetricsFile.step_finished

    def fill(self, step, metrics):
        stepped(self, step, metrics)
        if step == 9:
            [first] = checkpoints(kept)
            sizes = [file.stat().st_size for file in first.iterdir() if file.name != "state.json"]
            # All but the largest find room: `running.pt`, which comes last.
            assert max(sizes) == (first / "running.pt").stat().st_size
            small_disk.fill(leave=sum(4096 * -(-size // 4096) for size in sizes) - 4096)

    with monkeypatch.context() as patch:
        patch.setattr(MetricsFile, "step_finished", fill)
        failed = workspace.lect("train", "task.toml", *settings)
    assert failed.exit_code == 1
    [line] = [line for line in failed.stderr.splitlines() if line.startswith("error")]
    assert f"{kept}/step-00000010: the disk is full (" in line
    assert [path.name for path in kept.iterdir()] == ["step-00000005"]
    small_disk.free()
    assert workspace.lect("train", "task.toml", *settings, "--resume").exit_code == 0


@pytest.mark.processes
def test_a_disk_that_is_full_for_the_log_does_not_stop_the_run(workspace, small_disk, monkeypatch):
    settings = ["--set", "training.epochs=4", "--set", "training.log_every=1"]
    settings += ["--set", f"output.folder={small_disk.folder}/run"]
    stepped = MetricsFile.step_finished

    def fill(self, step, metrics):
        if step == 3:
            small_disk.fill()
        if step == 38:
            small_disk.free()
        stepped(self, step, metrics)

    with monkeypatch.context() as patch:
        patch.setattr(MetricsFile, "step_finished", fill)
        done = workspace.lect("train", "task.toml", *settings)
    assert done.exit_code == 0, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert f"{small_disk.folder}/run/metrics.jsonl: no space left on device; training goes on" in line
    lines = map(json.loads, (small_disk.folder / "run/metrics.jsonl").read_text().splitlines())
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 41))


@pytest.mark.processes
def test_a_disk_that_is_full_for_the_component_leaves_what_was_learned(workspace, small_disk, monkeypatch):
    library = small_disk.folder / "library"
    evaluated = MetricsFile.validation_finished

    def fill(self, step, scores):
        evaluated(self, step, scores)
        if step == 20:
            small_disk.fill(leave=4096)

    with monkeypatch.context() as patch:
        patch.setattr(MetricsFile, "validation_finished", fill)
        failed = workspace.lect("train", "task.toml", *SHORT, "--components", str(library))
    assert failed.exit_code == 1
    [line] = [line for line in failed.stderr.splitlines() if line.startswith("error")]
    assert f"{library}/task/mood: the disk is full" in line and "finish with --resume" in line
    assert not list(library.rglob("*.partial"))
    small_disk.free()
    done = workspace.lect("train", "task.toml", *SHORT, "--components", str(library), "--resume")
    assert done.exit_code == 0, done.stderr


# ---------------------------------------------------------------------------------------------------------- Ctrl-C


def test_the_hint_after_ctrl_c_can_be_pasted(workspace, stopped):
    Path("my recipes").mkdir()
    Path("task.toml").rename("my recipes/[mood] task.toml")
    for name in ("train.csv", "valid.csv"):
        Path(name).rename(f"my recipes/{name}")
    changes = ["--set", 'component.summary="a [bold]good[/bold] $HOME :smile:"', "--set", "training.epochs=2"]
    said = stopped("--no-plugin", "e5", "train", "my recipes/[mood] task.toml", *changes, "--components", "my own")
    [line] = [line for line in said.stderr.splitlines() if line.startswith("Stopped at step 3 of 20. Go on with: ")]
    words = shlex.split(line.partition("Go on with: ")[2])
    assert words[:2] == ["lect", "--no-plugin"]
    done = workspace.lect(*words[1:])
    assert done.exit_code == 0, done.stderr
    assert Path("my own/task/mood/component.toml").is_file()


def test_ctrl_c_ends_a_training_of_any_command_alike(workspace, monkeypatch):
    def stop(*arguments):
        raise Interrupted(3, 20)

    monkeypatch.setattr("lect.demo.run_demo", stop)
    result = workspace.lect("demo")
    assert result.exit_code == 130
    assert "stopped at step 3 of 20" in result.stderr and "unexpected" not in result.stderr

"""`lect launch`, and where figures go: as a user sees them."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE, wait_for

LECT = (sys.executable, "-m", "lect")
CURVE = ("--set", "training.log_every=1", "--set", "training.steps=6", "--set", "training.epochs=")
MIXED = """
[[train.mix]]
recipe = "language.toml"
set = ["backbone.pooling=mean"]

[[train.mix]]
recipe = "task.toml"
set = ["head.dropout=0.0"]

[training]
steps = 6
batch_tokens = 120
accumulation = 2
log_every = 1
precision = "float32"
"""


def losses(folder):
    lines = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def run(*arguments, **named):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=PATIENCE, **named)


@pytest.mark.processes
def test_two_processes_train_a_mixed_recipe_as_one_does(workspace):
    workspace.write("mixed.toml", MIXED)
    alone = workspace.lect("train", "mixed.toml", "--set", "output.folder=one")
    assert alone.exit_code == 0, alone.stderr
    result = run(*LECT, "launch", "--processes", "2", "mixed.toml", "--set", "output.folder=two", "--json")
    assert result.returncode == 0, result.stderr
    # One process speaks and writes for both.
    assert [one["component"] for one in json.loads(result.stdout)] == ["lang:cipher", "task:mood"]
    assert losses("two") == pytest.approx(losses("one"), abs=1e-4)
    assert len(losses("two")) == 6


@pytest.mark.processes
def test_accelerates_own_launcher_will_do_and_an_error_of_all_is_told_once(workspace):
    Path("task.toml").write_text(Path("task.toml").read_text().replace('path = "valid.csv"', 'path = "valid.csvx"'))
    accelerate = (sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu")
    environment = {"ACCELERATE_USE_CPU": "true"}
    os.environ.update(environment)
    try:
        result = run(*accelerate, "--num_processes=2", "--main_process_port=0", "-m", "lect", "train", "task.toml")
    finally:
        del os.environ["ACCELERATE_USE_CPU"]
    assert result.returncode != 0
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error")]
    assert "valid.csvx" in line
    launched = run(*LECT, "launch", "--processes", "2", "task.toml")
    assert launched.returncode == 1
    assert launched.stdout == ""
    assert launched.stderr.splitlines() == [line]


@pytest.mark.processes
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_process_that_dies_ends_the_others_and_ctrl_c_stops_all_after_a_checkpoint(workspace):
    command = [*LECT, "launch", "--processes", "2", "task.toml", "--set", "training.epochs=5000"]
    command += ["--set", "training.log_every=1"]
    log = Path("runs/task-mood/metrics.jsonl")

    def started(*more):
        log.unlink(missing_ok=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        launcher = subprocess.Popen([*command, *more], stderr=subprocess.PIPE, text=True, env=environment)
        wait_for(lambda: log.exists() and log.read_text().count("\n") >= 3, launcher)
        return launcher

    launcher = started()
    launcher.send_signal(signal.SIGINT)
    _, said = launcher.communicate(timeout=PATIENCE)
    assert launcher.returncode == 130, said
    assert said.count("Stopping after this step") == 1
    stopped = " ".join(said.split())
    assert stopped.endswith("of 50000. Go on with the same command and --resume"), said
    again = int(stopped.split("Stopped at step ")[1].split()[0])

    launcher = started("--resume")
    assert json.loads(log.read_text().splitlines()[0])["step"] == again + 1
    other = next(int(pid) for pid in children(launcher.pid) if b"RANK=1" in environment_of(pid))
    os.kill(other, signal.SIGKILL)
    _, said = launcher.communicate(timeout=PATIENCE)
    assert launcher.returncode == 1, said
    (line,) = [line for line in said.splitlines() if line.startswith("error")]
    assert "process 1 was killed (SIGKILL)" in line


def children(parent):
    import psutil

    return [child.pid for child in psutil.Process(parent).children()]


def environment_of(pid):
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--machines", "2", "task.toml"], "--main-address: several machines must know where the main one is"),
        (["--machines", "2", "--machine-rank", "2", "--main-address", "a", "task.toml"], "no machine 2 among 2"),
        (["--config", "none.yaml", "task.toml"], "none.yaml: there is no such file"),
    ],
)
def test_a_launch_that_makes_no_sense_is_refused(workspace, arguments, message):
    result = workspace.lect("launch", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_figures_go_to_trackers_by_name(workspace):
    settings = [*CURVE, "--set", 'training.trackers=["tensorboard"]', "--set", "training.evaluate_every=3"]
    result = workspace.lect("train", "task.toml", *settings)
    assert result.exit_code == 0, result.stderr
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator("runs/task-mood")
    found.Reload()
    assert [event.value for event in found.Scalars("train/loss")] == pytest.approx(losses("runs/task-mood"), rel=1e-6)
    assert [event.step for event in found.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    assert [event.step for event in found.Scalars("validation/macro_f1")] == [3, 6]
    assert found.Scalars("train/memory")[0].value > 0.05


def test_a_tracker_that_is_not_there_is_one_line_that_says_what_to_install(workspace, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "mlflow" else find(name, *rest)
    )
    result = workspace.lect("train", "task.toml", "--set", 'training.trackers=["mlflow"]')
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert 'the tracker "mlflow" needs a package that is not installed; pip install mlflow' in line
    assert not Path("runs").exists()
    unknown = workspace.lect("train", "task.toml", "--set", 'training.trackers=["tensorbord"]')
    assert unknown.exit_code == 1
    assert "training.trackers" in unknown.stderr

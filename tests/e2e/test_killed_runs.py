"""Runs that the system kills at any moment: they go on as if nothing had happened, to the bit."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from waiting import PATIENCE

RUN = Path("runs/task-mood")
KEPT = RUN / "checkpoints"
WEIGHTS = Path("components/task/mood/weights.safetensors")
# With dropout in the head, random numbers must go on where they stopped.
SETTINGS = ("--set", "training.epochs=3", "--set", "training.checkpoint_every=1", "--set", "training.log_every=1")
SHORT = ("--set", "training.epochs=2", *SETTINGS[2:])

TRAINER = """
import os, signal, sys
import lect.training.run, lect.training.manifest, lect.builtins.supervised, transformers.models.auto
from lect.commands.app import app

def die_at(number, part):
    # The whole process dies where it touches its files for the n-th time: opens, makes, renames or removes one.
    touched = 0
    def watch(event, arguments):
        nonlocal touched
        if event in WATCHED and arguments and part in str(arguments[0]):
            touched += 1
            if touched == number:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)

WATCHED = {"open", "os.mkdir", "os.rename", "os.remove", "os.chmod", "shutil.rmtree"}

for line in sys.stdin:
    number, part, *arguments = line.split()
    child = os.fork()
    if child == 0:
        die_at(int(number), part)
        app(arguments)
    print("started", child, flush=True)
    _, status = os.waitpid(child, 0)
    print("ended", os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.fixture
def trainer(workspace):
    """A process that has all imported, and runs each command in a child of its own."""
    started = subprocess.Popen(
        [sys.executable, "-c", TRAINER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    yield started
    started.kill()
    started.wait()


def said(trainer, what):
    for line in trainer.stdout:
        if line.startswith(f"{what} "):
            return int(line.split()[1])
    raise AssertionError("the trainer has died")


def begin(trainer, *arguments, dies_at=0, where="/"):
    """Start a command; it is killed where it touches a path with `where` in it for the n-th time."""
    trainer.stdin.write(" ".join((str(dies_at), where, *arguments)) + "\n")
    trainer.stdin.flush()
    return said(trainer, "started")


def log():
    lines = (RUN / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{**json.loads(line), "seconds": 0, "memory": 0} for line in lines]


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_killed_again_and_again_ends_with_the_same_weights(workspace, trainer):
    begin(trainer, "train", "task.toml", *SHORT)
    assert said(trainer, "ended") == 0
    unbroken, steps = WEIGHTS.read_bytes(), log()
    for path in KEPT.rglob("*.json"):
        path.unlink()
    WEIGHTS.unlink()

    # A step touches the run's files some twenty times, most of them while its checkpoint is written and older ones go;
    # the four kills lie anywhere in the first three steps after a start.
    generator = random.Random(0)
    for attempt in range(4):
        before = newest_readable()
        begin(
            trainer,
            *("train", "task.toml", *SHORT, *(["--resume"] if before else [])),
            dies_at=generator.randint(20, 70),
            where=str(RUN),
        )
        assert said(trainer, "ended") == -signal.SIGKILL, f"attempt {attempt}"
        assert newest_readable() >= before
    assert 0 < newest_readable() < 20
    # Once more among the component's own files, when all is learned.
    begin(trainer, "train", "task.toml", *SHORT, "--resume", dies_at=4, where="components/task")
    assert said(trainer, "ended") == -signal.SIGKILL
    assert not WEIGHTS.exists()
    begin(trainer, "train", "task.toml", *SHORT, "--resume")
    assert said(trainer, "ended") == 0
    assert WEIGHTS.read_bytes() == unbroken
    assert log() == steps
    # The last two are kept, and nothing half-written lies about.
    assert len(list(KEPT.iterdir())) == 2
    assert not list(Path.cwd().rglob("*.partial"))


def newest_readable():
    from lect.training.checkpoint import checkpoints

    return max((int(path.name[5:]) for path in checkpoints(KEPT)), default=0)


def test_a_full_disk_or_a_spoilt_checkpoint_loses_nothing_before_it(workspace, monkeypatch):
    settings = [*SETTINGS, "--set", "training.checkpoint_every=5"]
    assert workspace.lect("train", "task.toml", *settings).exit_code == 0
    unbroken = WEIGHTS.read_bytes()
    for path in KEPT.rglob("*.json"):
        path.unlink()
    save, written = torch.save, []

    def full(value, path):
        written.append(path)
        if len(written) == 4:
            Path(path).write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(value, path)

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full)
        result = workspace.lect("train", "task.toml", *settings)
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error")]
    assert "step-00000020: the disk is full" in line
    assert newest_readable() == 15
    assert not list(KEPT.glob(".*"))
    # As if a fault of the disk had spoilt the newest as well: the one before is taken.
    (KEPT / "step-00000015/running.pt").write_bytes(b"nothing that can be read")
    result = workspace.lect("train", "task.toml", *settings, "--resume")
    assert result.exit_code == 0, result.stderr
    assert WEIGHTS.read_bytes() == unbroken


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_checkpoints_come_by_the_clock_and_where_the_system_asks_the_run_to_end(workspace, trainer):
    long = ["--set", "training.epochs=2000", "--set", "training.log_every=1"]
    begin(
        trainer, "train", "task.toml", *long, "--set", "training.checkpoint_minutes=1e-9", dies_at=70, where=str(KEPT)
    )
    assert said(trainer, "ended") == -signal.SIGKILL
    assert newest_readable() >= 2
    for path in KEPT.rglob("*.json"):
        path.unlink()

    # The log of the run before is no sign that this one has begun.
    metrics = RUN / "metrics.jsonl"
    metrics.unlink()
    child = begin(trainer, "train", "task.toml", *long)
    deadline = time.monotonic() + PATIENCE
    while not metrics.exists() or metrics.read_text().count("\n") < 5:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(child, signal.SIGTERM)
    assert said(trainer, "ended") == 130
    assert newest_readable() == log()[-1]["step"] >= 5

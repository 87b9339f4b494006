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

RUN = Path("runs/task-mood")
KEPT = RUN / "checkpoints"
WEIGHTS = Path("components/task/mood/weights.safetensors")
# With dropout in the head, random numbers must go on where they stopped.
SETTINGS = ("--set", "training.epochs=3", "--set", "training.checkpoint_every=1", "--set", "training.log_every=1")

TRAINER = """
import os, sys
import lect.training.run, lect.training.manifest, lect.builtins.supervised, transformers.models.auto
from lect.commands.app import app

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        app(line.split())
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


def begin(trainer, *arguments):
    trainer.stdin.write(" ".join(arguments) + "\n")
    trainer.stdin.flush()
    return said(trainer, "started")


def newest():
    return max((int(path.name[5:]) for path in KEPT.glob("step-????????")), default=0)


def kill_when(child, condition):
    """Whether the process was killed, and not through before."""
    # One that has ended is collected by its parent at once.
    while Path(f"/proc/{child}").exists():
        if condition():
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                return False
            return True
        time.sleep(0.0005)
    return False


def log():
    lines = (RUN / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{**json.loads(line), "seconds": 0, "memory": 0} for line in lines]


@pytest.mark.processes
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_run_killed_again_and_again_ends_with_the_same_weights(workspace, trainer):
    begin(trainer, "train", "task.toml", *SETTINGS)
    assert said(trainer, "ended") == 0
    unbroken, steps = WEIGHTS.read_bytes(), log()
    for path in KEPT.rglob("*.json"):
        path.unlink()
    WEIGHTS.unlink()

    generator = random.Random(0)
    killed = {"while it writes": 0, "anywhere": 0}
    for attempt in range(7):
        before = 0 if attempt == 0 else newest_readable()
        child = begin(trainer, "train", "task.toml", *SETTINGS, *(["--resume"] if before else []))
        if attempt % 2:
            kind = "while it writes"
            until = before + generator.randint(1, 3)
            was_killed = kill_when(child, lambda: newest_readable() >= until and any(KEPT.glob(".step-*.partial")))  # noqa: B023
        else:
            kind = "anywhere"
            until = time.monotonic() + generator.uniform(0.2, 4.0)
            was_killed = kill_when(child, lambda: time.monotonic() > until)  # noqa: B023
        code = said(trainer, "ended")
        if code == 0:
            break
        assert was_killed and code == -signal.SIGKILL, f"attempt {attempt} ended with {code}"
        killed[kind] += 1
        assert newest_readable() >= before
    else:
        begin(trainer, "train", "task.toml", *SETTINGS, "--resume")
        assert said(trainer, "ended") == 0
    assert min(killed.values()) >= 2, killed
    assert WEIGHTS.read_bytes() == unbroken
    assert log() == steps
    # The last two are kept, and nothing half-written lies about.
    assert len(list(KEPT.iterdir())) == 2


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
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_checkpoints_come_by_the_clock_and_where_the_system_asks_the_run_to_end(workspace, trainer):
    long = ["--set", "training.epochs=2000", "--set", "training.log_every=1"]
    child = begin(trainer, "train", "task.toml", *long, "--set", "training.checkpoint_minutes=0.00001")
    assert kill_when(child, lambda: newest_readable() > 2)
    said(trainer, "ended")
    for path in KEPT.rglob("*.json"):
        path.unlink()

    child = begin(trainer, "train", "task.toml", *long)
    deadline = time.monotonic() + 60
    while (RUN / "metrics.jsonl").read_text().count("\n") != 5:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(child, signal.SIGTERM)
    assert said(trainer, "ended") == 130
    assert newest_readable() == log()[-1]["step"] >= 5

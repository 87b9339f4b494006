"""Several tasks with a head each over one language: a frozen one, and one that learns from all their losses."""

from __future__ import annotations

import json

import pytest

FROZEN = """
[[train.mix]]
recipe = "task.toml"
set = ["stack=lang:cipher", "backbone.pooling="]

[[train.mix]]
recipe = "task.toml"
set = ["stack=lang:cipher", "backbone.pooling=", "component.name=tone", "parts.0.method=lora"]

[training]
steps = 3
batch_size = 24
precision = "float32"
"""
LANGUAGE = """
[train]
joint = true

[[train.mix]]
recipe = "language.toml"
"""


@pytest.fixture
def tasks(workspace):
    workspace.write("frozen.toml", FROZEN)
    workspace.write("joint.toml", LANGUAGE + FROZEN)
    return workspace


def train(workspace, recipe, *changes):
    result = workspace.lect("train", recipe, "--json", *(word for change in changes for word in ("--set", change)))
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def weights(workspace, key):
    return (workspace.folder / "components" / key.replace(":", "/") / "weights.safetensors").read_bytes()


def test_several_tasks_learn_over_one_frozen_language(tasks):
    train(tasks, "language.toml", "training.steps=2", "training.epochs=")
    language = weights(tasks, "lang:cipher")
    summaries = train(tasks, "frozen.toml")
    assert [summary["component"] for summary in summaries] == ["task:mood", "task:tone"]
    assert weights(tasks, "lang:cipher") == language
    for key in ("task:mood", "task:tone"):
        predicted = tasks.lect("predict", "-s", f"lang:cipher + {key}", "--json", "hsfbu ebz")
        assert predicted.exit_code == 0, predicted.stderr


def test_a_language_learns_from_the_losses_of_its_tasks(tasks):
    summaries = train(tasks, "joint.toml")
    assert [summary["component"] for summary in summaries] == ["lang:cipher", "task:mood", "task:tone"]
    log = (tasks.folder / "runs/mix-joint/metrics.jsonl").read_text("utf-8").splitlines()
    assert {"lang:cipher/loss", "task:mood/loss", "task:tone/loss"} <= json.loads(log[0]).keys()
    jointly = weights(tasks, "lang:cipher")
    train(tasks, "joint.toml")
    assert weights(tasks, "lang:cipher") == jointly
    # With no loss of its own it moves by the tasks' alone.
    train(tasks, "joint.toml", "train.mix.0.set=['objective.distance=0.0', 'objective.contrast=0.0']")
    moved = weights(tasks, "lang:cipher")
    still = ("train.mix.0.set=['objective.distance=0.0', 'objective.contrast=0.0', 'training.learning_rate=1e-30']",)
    train(tasks, "joint.toml", *still)
    assert len({jointly, moved, weights(tasks, "lang:cipher")}) == 3
    predicted = tasks.lect("predict", "-s", "lang:cipher + task:tone", "--json", "hsfbu ebz")
    assert predicted.exit_code == 0, predicted.stderr


@pytest.mark.parametrize(
    ("recipe", "change", "message"),
    [
        ("joint.toml", "train.joint=false", '"lang:cipher" is frozen there, and learns in the same run'),
        ("joint.toml", "training.patience=2", "have no best state of their own"),
        ("late.toml", "train.joint=true", '"lang:cipher" learns in the same run, and comes later'),
    ],
)
def test_what_a_joint_run_refuses(tasks, recipe, change, message):
    tasks.write("late.toml", FROZEN.replace("[training]", '[[train.mix]]\nrecipe = "language.toml"\n\n[training]'))
    result = tasks.lect("train", recipe, "--set", change)
    assert result.exit_code == 1
    assert message in " ".join(result.stderr.split())

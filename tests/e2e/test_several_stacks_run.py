"""A task that learns over several languages at once, each source of its rows through a stack of its own."""

from __future__ import annotations

import csv
import json
from string import ascii_lowercase

import pytest

from lect.storage.manifest import read_manifest

# As the workspace's language has it.
CIPHER = str.maketrans(ascii_lowercase, ascii_lowercase[1:] + "a")
SOURCES = """
[[data.train]]
reader = "csv"
path = "train.csv"
label = "label"
stack = ""

[[data.train]]
reader = "csv"
path = "cipher.csv"
label = "label"
stack = "lang:cipher"

[[data.validation]]
reader = "csv"
path = "valid.csv"
label = "label"

[training]"""


@pytest.fixture
def several(workspace):
    language = (workspace.folder / "language.toml").read_text("utf-8")
    short = language.replace("epochs = 10", "steps = 3")
    assert workspace.lect("train", str(workspace.write("short.toml", short))).exit_code == 0
    with (workspace.folder / "train.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:48]
    lines = "\n".join(f"{row['id']},{row['text'].translate(CIPHER)},{row['label']}" for row in rows)
    workspace.write("cipher.csv", f"id,text,label\n{lines}\n")
    task = (workspace.folder / "task.toml").read_text("utf-8")
    data = task.index("[data.train]")
    written = task[:data] + SOURCES.lstrip() + task[task.index("[training]") + len("[training]") :]
    workspace.write("several.toml", written.replace("epochs = 6", "epochs = 2\nlog_every = 1"))
    return workspace


def log_of(workspace):
    lines = (workspace.folder / "runs/task-mood/metrics.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_each_source_goes_through_its_own_stack(several):
    result = several.lect("train", "several.toml", "--json", "--set", 'data.validation.0.stack="lang:cipher"')
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    # Only the validated stack has scores.
    assert "macro_f1" in summary["validation"] and not any("/" in name for name in summary["validation"])
    first = next(entry for entry in log_of(several) if {"bare", "lang:cipher"} <= entry.keys())
    assert first["loss"] == pytest.approx(first["bare"] + first["lang:cipher"], rel=1e-4)
    manifest = read_manifest(several.folder / "components/task/mood/component.toml")
    assert manifest.training.examples == 160 + 48
    assert 'stack = "lang:cipher"' in manifest.training.recipe
    predicted = several.lect("predict", "-s", "lang:cipher + task:mood", "--json", "hsfbu ebz")
    assert predicted.exit_code == 0, predicted.stderr


def test_what_cannot_stand_beneath_is_refused(several):
    missing = several.lect("train", "several.toml", "--set", "data.train.1.stack=lang:none")
    assert missing.exit_code == 1
    assert 'there is no component "lang:none"' in " ".join(missing.stderr.split())
    assert several.lect("train", "several.toml", "--set", "training.epochs=1").exit_code == 0
    itself = several.lect("train", "several.toml", "--set", "data.train.1.stack=task:mood")
    assert itself.exit_code == 1
    assert "trained on top of itself" in " ".join(itself.stderr.split())


def test_meta_learning_over_languages_makes_an_ordinary_component(several):
    changes = ("training.meta.method=reptile", "training.meta.inner_steps=2", "training.accumulation=2", "data.shots=8")
    result = several.lect("train", "several.toml", "--json", *(word for one in changes for word in ("--set", one)))
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["steps"] == 2  # 32 rows an epoch, and 2 × 2 × 16 in a step
    manifest = read_manifest(several.folder / "components/task/mood/component.toml")
    assert 'method = "reptile"' in manifest.training.recipe
    predicted = several.lect("predict", "-s", "lang:cipher + task:mood", "--json", "hsfbu ebz")
    assert predicted.exit_code == 0, predicted.stderr
    mixed = several.write(
        "mix.toml", "[[train.mix]]\nrecipe = 'several.toml'\nset = ['training.meta.method=reptile']\n"
    )
    refused = several.lect("train", str(mixed))
    assert refused.exit_code == 1
    assert "cannot be mixed in" in " ".join(refused.stderr.split())

"""Objectives combined in one run, as a user trains them: alignment and hidden tokens, with raw text beside pairs."""

from __future__ import annotations

import json
import shutil
import signal
import sys

import pytest

from lect.storage.manifest import read_manifest

COMBINED = """
[component]
name = "cipher"
role = "lang"

[backbone]
name = "backbone"
prefix = "a: "

[[parts]]
method = "full"

[objective]
name = "combined"

[[objective.terms]]
name = "alignment"
distance = 1.0
contrast = 1.0

[[objective.terms]]
name = "masked-lm"
weight = 0.1
head_steps = 3

[data]
[data.validation]
reader = "tsv"
path = "pairs.tsv"
text = "cipher"
translation = "english"

[[data.train]]
reader = "tsv"
path = "pairs.tsv"
text = "cipher"
translation = "english"

[[data.train]]
reader = "text"
path = "raw.txt"

[training]
steps = 8
batch_size = 12
learning_rate = 3e-3
precision = "float32"
evaluate_every = 4
log_every = 1
"""


@pytest.fixture
def combined(workspace, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(workspace.folder / "cache"))
    workspace.write("combined.toml", COMBINED)
    workspace.write("raw.txt", "\n".join(f"uif ebz boe b {word}" for word in ("tbe", "hsfbu", "ebsl") * 8))
    return workspace


def test_both_are_learned_from_and_both_are_scored(combined):
    result = combined.lect("train", "combined.toml", "--json")
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert {"recall@1", "masked-lm/likelihood"} <= summary["validation"].keys()
    folder = combined.folder / "components/lang/cipher"
    manifest = read_manifest(folder / "component.toml")
    assert manifest.training.objective == "alignment + masked-lm"
    assert {entry.metric for entry in manifest.results} >= {"recall@1", "masked-lm/likelihood"}
    # The card says it as well.
    assert "`alignment + masked-lm`" in (folder / "README.md").read_text("utf-8")
    log = [json.loads(line) for line in (combined.folder / "runs/lang-cipher/metrics.jsonl").read_text().splitlines()]
    first = log[0]
    assert first["loss"] == pytest.approx(first["alignment"] + 0.1 * first["masked-lm"], rel=1e-4)
    assert {"alignment/distance", "alignment/contrast"} <= first.keys()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_run_that_goes_on_ends_with_the_same_bytes(combined, monkeypatch):
    from lect.training.callbacks.recording import MetricsFile

    weights = combined.folder / "components/lang/cipher/weights.safetensors"
    assert combined.lect("train", "combined.toml").exit_code == 0
    unbroken = weights.read_bytes()
    shutil.rmtree(combined.folder / "components")
    stepped = MetricsFile.step_finished

    def interrupted(self, step, metrics):
        stepped(self, step, metrics)
        if step == 5:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(MetricsFile, "step_finished", interrupted)
        assert combined.lect("train", "combined.toml").exit_code == 130
    assert not weights.exists()
    resumed = combined.lect("train", "combined.toml", "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert weights.read_bytes() == unbroken


def test_the_target_is_a_language_with_tokens_of_its_own(combined):
    language = (combined.folder / "language.toml").read_text("utf-8")
    first = language.replace('name = "cipher"', 'name = "first"').replace('"full"', '"vocabulary"\npieces = 12')
    assert combined.lect("train", str(combined.write("first.toml", first))).exit_code == 0
    contents = []
    for target in ("lang:first", ""):
        changes = (f"objective.target={target}", "objective.terms.0.tokens=2.0", "backbone.prefix=", "training.steps=3")
        result = combined.lect("train", "combined.toml", *(word for change in changes for word in ("--set", change)))
        assert result.exit_code == 0, result.stderr
        contents.append((combined.folder / "components/lang/cipher/weights.safetensors").read_bytes())
    assert contents[0] != contents[1]
    log = [json.loads(line) for line in (combined.folder / "runs/lang-cipher/metrics.jsonl").read_text().splitlines()]
    assert {"alignment/tokens", "alignment/aligned"} <= log[0].keys()


def test_few_labels(workspace):
    result = workspace.lect("train", "task.toml", "--set", "data.shots=3", "--set", "training.epochs=1")
    assert result.exit_code == 0, result.stderr
    assert "6 of 160 rows drawn, 3 of each of 2 labels" in " ".join((result.stdout + result.stderr).split())
    assert read_manifest(workspace.folder / "components/task/mood/component.toml").training.examples == 6

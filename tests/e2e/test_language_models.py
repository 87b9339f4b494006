"""Language parts from raw text: a run, its resumption, its options, from the command line's point of view."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from lect.errors import Interrupted, RecipeError
from lect.host import Host
from lect.recipes.recipe import load_recipe
from lect.storage.library import Library
from lect.testing.backbones import save_tiny_backbone
from lect.training.prepare import prepare_run
from lect.training.run import execute_run

pytestmark = pytest.mark.models

WORDS = ["water", "day", "year", "city", "good", "bad", "some", "many", "other", "most", "know", "place"]
RECIPE = """
component = { name = "bam", role = "lang" }
backbone = { name = "model" }
objective = { name = "NAME", OPTIONS }
parts = [{ method = "lora", r = 4 }]

[data]
validation_share = 0.25
train = { reader = "tsv", path = "text.tsv", text = "text", translation = "translation" }

[training]
steps = 6
batch_size = 8
learning_rate = 5e-3
precision = "float32"
evaluate_every = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    rows = [f"the old house on the way to {word} {other}\tyang dan {word}" for word in WORDS for other in WORDS[:3]]
    (tmp_path / "text.tsv").write_text("\n".join(["text\ttranslation", *rows]) + "\n", encoding="utf-8")
    save_tiny_backbone(tmp_path / "model", "xlm-roberta")
    return tmp_path


class Run:
    def __init__(self, folder, place, *, objective="masked-lm", options="head_steps = 20", changes=()):
        (folder / "recipe.toml").write_text(RECIPE.replace("NAME", objective).replace("OPTIONS", options))
        recipe = load_recipe(folder / "recipe.toml", overrides=(f"output.folder={place}", *changes))
        self.library, self.said = Library((folder / place,)), []
        self.run = prepare_run(recipe, Host.load(report=self.said.append), self.library)
        self.folder = folder / place

    def train(self, resume=False, steps=None):
        import lect.training.run as module

        console = Console(quiet=True)
        if steps is None:
            return execute_run(self.run, console=console, resume=resume)[0]
        taken = iter(range(100))
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
            patch.setattr(module, "stop_on_interrupt", lambda console: _Stopping(lambda: next(taken) >= steps - 1))
            execute_run(self.run, console=console)
        return None


class _Stopping:
    def __init__(self, stop):
        self.stop = stop

    def __enter__(self):
        return self.stop

    def __exit__(self, *problem):
        return False


@pytest.mark.parametrize("objective", ["masked-lm", "translation-lm"])
def test_a_language_learns_from_text(folder, objective):
    changes = ("training.steps=60", "training.evaluate_every=30")
    result = Run(folder, "out", objective=objective, changes=changes).train().result
    assert result.scores["likelihood"] > 1.2 * result.without["likelihood"]
    written = (folder / "out" / "lang" / "bam" / "component.toml").read_text()
    assert f'objective = "{objective}"' in written and 'metric = "likelihood"' in written


def test_a_resumed_run_hides_the_same_tokens(folder):
    whole = Run(folder, "whole").train()
    Run(folder, "part").train(steps=2)
    again = Run(folder, "part").train(resume=True)
    assert again.result.scores == whole.result.scores
    weights = [(folder / place / "lang/bam/weights.safetensors").read_bytes() for place in ("whole", "part")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    "change", ["training.gradient_checkpointing=true", 'backbone.weights="bfloat16"', "objective.candidates=corpus"]
)
def test_options_change_the_result_little(folder, change):
    expected = Run(folder, "plain").train()
    found = Run(folder, "changed", changes=(change,)).train()
    assert found.result.scores["loss"] == pytest.approx(expected.result.scores["loss"], rel=0.02)
    written = [(folder / place / "lang/bam/component.toml").read_text() for place in ("plain", "changed")]
    fingerprints = [next(line for line in text.splitlines() if "fingerprint" in line) for text in written]
    assert fingerprints[0] == fingerprints[1]


def test_compiling_that_fails_is_said_and_does_no_harm(folder, monkeypatch):
    import torch

    def broken(forward, **options):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", broken)
    run = Run(folder, "out", changes=("training.compile=true",))
    console = Console(record=True, width=80)
    execute_run(run.run, console=console)
    assert "Not compiled: no compiler. Training goes on without." in console.export_text()
    metrics = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert metrics[-1]["step"] == 6


def test_unknown_options_name_the_field(folder):
    with pytest.raises(RecipeError, match="candidate"):
        Run(folder, "out", options='candidates = "some"')

"""int8 as a user asks for it: of the command line, of a recipe, of Python."""

from __future__ import annotations

import json

import pytest
import torch

import lect
from lect.storage.manifest import read_manifest


def recall(workspace, precision):
    result = workspace.lect(
        "eval", "-s", "lang:cipher", "-d", "pairs.tsv", "-o", "text=cipher", "-o", "translation=english", "--json",
        "--precision", precision,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    variant = json.loads(result.stdout)["variants"][0]
    return next(score["value"] for score in variant["scores"] if score["name"] == "recall@1")


def test_a_language_is_learned_and_scored_over_frozen_projections_in_int8(workspace):
    changes = ('parts=[{method="bottleneck",reduction_factor=2}]', "training.precision=int8", "training.epochs=3")
    settings = [text for change in changes for text in ("--set", change)]
    result = workspace.lect("train", "language.toml", "--json", *settings)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["precision"] == "int8: as asked for"
    manifest = read_manifest(workspace.folder / "components/lang/cipher/component.toml")
    assert manifest.training.hardware.endswith("int8")
    log = [json.loads(line) for line in (workspace.folder / "runs/lang-cipher/metrics.jsonl").read_text().splitlines()]
    losses = [record["loss"] for record in log if "loss" in record]
    assert losses[-1] < losses[0]
    exact = recall(workspace, "float32")
    for precision in ("int8", "auto"):
        assert recall(workspace, precision) == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["training.compile=true"], "cannot stand beside compile"),
        (["training.gradient_checkpointing=true"], "cannot stand beside gradient_checkpointing"),
        (['backbone.weights="bfloat16"'], "weights in bfloat16 are not computed in int8"),
    ],
)
def test_what_int8_does_not_go_with_is_said(workspace, changes, message):
    settings = [text for change in ("training.precision=int8", *changes) for text in ("--set", change)]
    result = workspace.lect("train", "language.toml", *settings)
    assert result.exit_code == 1 and message in " ".join(result.stderr.split())


def test_a_matrix_is_not_computed_in_another_precision_than_its_file_says(workspace):
    (workspace.folder / "matrix.toml").write_text("")
    result = workspace.lect("eval", "matrix.toml", "--precision", "int8")
    assert result.exit_code == 1 and "--precision are given both" in " ".join(result.stderr.split())


def test_python_takes_it_when_loading(workspace):
    with lect.load(backbone="backbone", precision="int8") as model:
        found = model.embed("a great and happy day")
    with lect.load(backbone="backbone") as model:
        exact = model.embed("a great and happy day")
    assert (found != exact).any() and found == pytest.approx(exact, abs=0.1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA graphs are refused where there is no GPU")
@pytest.mark.parametrize("command", ["predict", "embed"])
def test_without_a_gpu_graphs_are_refused_in_one_line(workspace, trained, command):
    stack = "lang:cipher + task:mood" if command == "predict" else "lang:cipher"
    result = workspace.lect(command, "--components", str(trained), "-s", stack, "--graphs", "a text")
    assert result.exit_code == 1
    assert "CUDA graphs need a CUDA device, and the model is on cpu" in " ".join(result.stderr.split())


@pytest.mark.parametrize("command", ["predict", "embed"])
def test_exact_answers_do_not_hang_on_the_other_rows(workspace, trained, command):
    texts = [f"a great and happy day{' and on' * (row % 4)}" for row in range(6)]
    stack = "lang:cipher + task:mood" if command == "predict" else "lang:cipher"
    asked = (command, "--components", str(trained), "-s", stack, "--exact", "--format", "jsonl")

    def answers(*given):
        result = workspace.lect(*asked, *given)
        assert result.exit_code == 0, result.stderr
        records = [json.loads(line) for line in result.stdout.splitlines()]
        return [record.get("scores") or record.get("probabilities") or record["vector"] for record in records]

    together = answers(*texts)
    assert answers(texts[3]) == together[3:4]
    assert answers(*texts[::-1]) == together[::-1]

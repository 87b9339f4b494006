"""The main road, as a user walks it: train, list, evaluate, predict."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from lect.languages.profiles import read_profiles
from lect.storage.manifest import read_manifest

pytestmark = pytest.mark.models


def test_training_writes_a_component_with_manifest_card_log_and_scores(workspace):
    private = workspace.folder / "private"
    result = workspace.lect("train", "task.toml", "--json", "--set", f"output.folder={private}")
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["component"] == "task:mood"
    assert summary["validation"]["macro_f1"] > 0.9
    folder = workspace.folder / "components/task/mood"
    files = ["README.md", "component.toml", "languages.safetensors", "weights.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == files
    (profile,) = read_profiles(folder / "languages.safetensors")
    assert profile.language == "en" and profile.characters > 2000
    manifest = read_manifest(folder / "component.toml")
    assert manifest.training.steps == summary["steps"] == 60
    assert manifest.training.data[0].rows == 160
    assert manifest.head.labels == ("bad", "good")
    stored = (folder / "component.toml").read_text(encoding="utf-8")
    assert str(workspace.folder) not in stored
    # The recipe is there as a person would read it.
    assert '\n[objective]\nname = "supervised"\n' in stored
    # The head goes with the component, so that there is no score without it.
    assert {entry.metric: entry.without for entry in manifest.results}["macro_f1"] is None
    assert "full.copies.embeddings/word_embeddings.weight" in load_file(folder / "weights.safetensors")
    log = [json.loads(line) for line in (private / "metrics.jsonl").read_text().splitlines()]
    assert sum("validation" in record for record in log) == 6
    assert log[0]["loss"] > log[-2]["loss"]


def test_a_language_part_records_what_the_backbone_does_without_it(workspace):
    result = workspace.lect("train", "language.toml", "--json")
    assert result.exit_code == 0, result.stderr
    folder = workspace.folder / "components/lang/cipher"
    results = {entry.metric: entry for entry in read_manifest(folder / "component.toml").results}
    assert 0 <= results["recall@1"].without < results["recall@1"].value <= 1
    assert f"| {results['recall@1'].without:.4g} |" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(workspace):
    weights = workspace.folder / "components/task/mood/weights.safetensors"
    contents = []
    for seed in (0, 0, 1):
        settings = ("--set", "training.epochs=1", "--set", f"training.seed={seed}")
        assert workspace.lect("train", "task.toml", *settings).exit_code == 0
        contents.append(weights.read_bytes())
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


def test_a_stack_is_scored_with_and_without_its_language_part(workspace, trained):
    report = workspace.folder / "report.json"
    result = workspace.lect(
        "eval", "--components", str(trained), "-s", "lang:cipher + task:mood", "-d", "test.csv", "-o", "label=label",
        "--output", "report.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "without lang:cipher" in result.stdout
    assert result.stdout.splitlines()[-1] == "Written: report.json"
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    saved = json.loads(report.read_text())
    assert [variant["label"] for variant in saved["variants"]] == ["lang:cipher + task:mood", "without lang:cipher"]
    names = {score["name"] for score in saved["variants"][0]["scores"]}
    assert {"accuracy", "macro_f1", "micro_f1", "macro_precision", "macro_recall", "f1[good]"} <= names


def test_a_language_part_alone_is_scored_by_retrieval(workspace, trained):
    result = workspace.lect(
        "eval", "--components", str(trained), "-s", "lang:cipher", "-d", "pairs.tsv", "-o", "text=cipher",
        "-o", "translation=english", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    scores = {v["label"]: {s["name"]: s["value"] for s in v["scores"]} for v in report["variants"]}
    assert report["main"] == "recall@1"
    assert scores["lang:cipher"]["mrr"] > scores["bare backbone"]["mrr"]


def test_predictions_for_people_and_for_programs(workspace, trained):
    arguments = ["predict", "--components", str(trained), "-s", "task:mood"]
    shown = workspace.lect(*arguments, "a great day", "the grim cold")
    assert shown.exit_code == 0, shown.stderr
    assert "good" in shown.stdout
    assert "bad" in shown.stdout
    lines = workspace.lect(*arguments, "--json", "-d", "test.csv").stdout.splitlines()
    records = [json.loads(line) for line in lines]
    assert len(records) == 60
    assert {"origin", "text", "answer", "score", "scores"} == records[0].keys()
    assert abs(sum(records[0]["scores"].values()) - 1) < 1e-4


def test_the_python_of_a_card_runs(workspace, trained, capsys):
    (workspace.folder / "components").symlink_to(trained)
    program = re.search(r"```python\n(.*?)```", (trained / "lang/cipher/README.md").read_text(encoding="utf-8"), re.S)
    exec(program[1], {})
    assert capsys.readouterr().out == "(32,)\n"


def test_components_are_listed(workspace, trained):
    listed = json.loads(workspace.lect("components", "--folder", str(trained), "--json").stdout)
    assert {f"{entry['role']}:{entry['name']}" for entry in listed} == {"lang:cipher", "task:mood"}


def test_a_stack_may_name_a_folder(workspace, trained):
    stack = f'"{trained}/task/mood"'
    result = workspace.lect("predict", "-s", stack, "a great day")
    assert result.exit_code == 0, result.stderr


def test_ctrl_c_leaves_a_checkpoint_and_resume_ends_with_the_same_bytes(workspace, interrupted_at):
    weights = workspace.folder / "components/task/mood/weights.safetensors"
    settings = ["--set", "training.epochs=2"]
    assert workspace.lect("train", "task.toml", *settings).exit_code == 0
    unbroken = weights.read_bytes()
    shutil.rmtree(workspace.folder / "components")

    with interrupted_at(step=7):
        stopped = workspace.lect("train", "task.toml", *settings)
    assert stopped.exit_code == 130, stopped.stderr
    assert "Stopping after this step" in stopped.stderr
    said = " ".join(stopped.stderr.split())
    assert "Stopped at step 7 of 20. Go on with: lect train task.toml --set training.epochs=2 --resume" in said
    assert not weights.exists()
    assert [path.name for path in (workspace.folder / "runs/task-mood/checkpoints").glob("step-*")] == ["step-00000007"]

    refused = workspace.lect("train", "task.toml", "--resume")
    assert refused.exit_code == 1
    assert "training.epochs was 2 and is 6" in " ".join(refused.stderr.split())

    resumed = workspace.lect("train", "task.toml", *settings, "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert weights.read_bytes() == unbroken
    log = workspace.folder / "runs/task-mood/metrics.jsonl"
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines() if "loss" in line]
    assert steps == sorted(set(steps)) and steps[-1] == 20


def test_patience_ends_a_run_early_and_the_best_weights_are_kept(workspace):
    result = workspace.lect(
        "train", "task.toml", "--json", "--set", "training.patience=1", "--set", "training.epochs=30"
    )
    summary = json.loads(result.stdout)
    assert summary["steps"] < 300
    log = [json.loads(line) for line in (workspace.folder / "runs/task-mood/metrics.jsonl").read_text().splitlines()]
    best = max(record["validation"]["macro_f1"] for record in log if "validation" in record)
    assert summary["validation"]["macro_f1"] == pytest.approx(best)


def test_accumulated_steps_learn_as_one_large_batch_does(workspace):
    weights = Path("components/task/mood/weights.safetensors")
    # Dropout draws differ with the size of a batch.
    settings = ["--set", "head.dropout=0.0", "--set", "training.schedule=constant", "--set", "training.steps=3"]
    settings += ["--set", "training.epochs="]
    assert workspace.lect("train", "task.toml", *settings, "--set", "training.batch_size=160").exit_code == 0
    whole = load_file(weights)
    more = ["--set", "training.batch_size=40", "--set", "training.accumulation=4"]
    assert workspace.lect("train", "task.toml", *settings, *more).exit_code == 0
    for name, tensor in load_file(weights).items():
        assert (tensor - whole[name]).abs().max() < 2e-3, name

"""A folder of TensorFlow's as the backbone of a language and a task: trained, evaluated, merged, shared, pulled."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import h5py  # noqa: F401 - importing it starts `uname`, which no quick test may
import pytest
from sharing import Machine

pytestmark = pytest.mark.models
GOLDEN = Path(__file__).parents[1] / "golden" / "tensorflow"


def run(machine, *arguments: object) -> str:
    done = machine.lect(*map(str, arguments))
    assert done.exit_code == 0, done.stderr
    return done.stdout


@pytest.fixture
def here(template, tmp_path, monkeypatch):
    machine = Machine(tmp_path / "here")
    with zipfile.ZipFile(GOLDEN / "saved_model.zip") as archive:
        archive.extractall(machine.folder / "exported")
    for path in template.iterdir():
        if path.is_file():
            text = path.read_text("utf-8").replace('name = "backbone"', 'name = "exported"')
            own = "lora" if path.name == "language.toml" else "bottleneck"
            (machine.folder / path.name).write_text(text.replace('"full"', f'"{own}"'), encoding="utf-8")
    monkeypatch.chdir(machine.folder)
    return machine


def test_from_a_saved_model_to_a_second_home(here, tmp_path, monkeypatch):
    small = ("--set", "training.epochs=1", "--set", "component.licence=CC0-1.0")
    run(here, "train", "language.toml", *small)
    run(here, "train", "task.toml", *small, "--set", "stack=lang:cipher")
    stack = "lang:cipher + task:mood"
    scores = json.loads(run(here, "eval", "-s", stack, "-d", "test.csv", "-o", "label=label", "--json"))
    assert "exported" in json.dumps(scores)
    answers = run(here, "predict", "-s", stack, "--json", "-d", "test.csv")
    assert len(answers.splitlines()) == 60
    run(here, "merge", "lang:cipher", "merged")
    assert json.loads(run(here, "backbones", "show", "merged", "--json"))["family"] == "bert"
    for key in ("lang:cipher", "task:mood"):
        run(here, "push", key, "--to", tmp_path / "registry")

    there = Machine(tmp_path / "there")
    shutil.copytree(here.folder / "exported", there.folder / "exported")
    shutil.copy(here.folder / "test.csv", there.folder)
    monkeypatch.chdir(there.folder)
    run(there, "registry", "add", tmp_path / "registry", "--name", "ours")
    run(there, "pull", "lang:cipher")
    run(there, "pull", "task:mood")
    assert run(there, "predict", "-s", stack, "--json", "-d", "test.csv") == answers


def test_converted_where_it_is_wanted_it_is_the_same_backbone(here):
    done = here.lect("backbones", "convert", "exported", "--output", "written", "--json")
    assert done.exit_code == 0
    assert "left out the pooler (2 variables)" in done.stderr
    shown = [json.loads(run(here, "backbones", "show", name, "--json")) for name in ("exported", "written")]
    assert [each["fingerprint"] for each in shown] == [json.loads(done.stdout)["fingerprint"]] * 2
    assert (shown[0]["family"], shown[0]["pieces"]) == ("bert", 41)
    assert "tensorflow" in run(here, "backbones")

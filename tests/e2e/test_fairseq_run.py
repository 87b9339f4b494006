"""A folder of fairseq as the backbone of a language and a task: trained, evaluated, merged, shared, pulled."""

from __future__ import annotations

import json
import shutil

import pytest
from fairseq_folders import pieces_of, subwords, xlmr_folder
from sharing import Machine

pytestmark = pytest.mark.models


def run(machine, *arguments: object) -> str:
    done = machine.lect(*map(str, arguments))
    assert done.exit_code == 0, done.stderr
    return done.stdout


@pytest.fixture
def here(template, tmp_path, monkeypatch):
    machine = Machine(tmp_path / "here")
    xlmr_folder(machine.folder / "fairseq")
    for path in template.iterdir():
        if path.is_file():
            text = path.read_text("utf-8").replace('name = "backbone"', 'name = "fairseq"')
            own = "lora" if path.name == "language.toml" else "bottleneck"
            (machine.folder / path.name).write_text(text.replace('"full"', f'"{own}"'), encoding="utf-8")
    monkeypatch.chdir(machine.folder)
    return machine


def test_from_fairseqs_folder_to_a_second_home(here, tmp_path, monkeypatch):
    small = ("--set", "training.epochs=1", "--set", "component.licence=CC0-1.0")
    run(here, "train", "language.toml", *small)
    run(here, "train", "task.toml", *small, "--set", "stack=lang:cipher")
    stack = "lang:cipher + task:mood"
    scores = json.loads(run(here, "eval", "-s", stack, "-d", "test.csv", "-o", "label=label", "--json"))
    assert "fairseq" in json.dumps(scores)
    answers = run(here, "predict", "-s", stack, "--json", "-d", "test.csv")
    assert len(answers.splitlines()) == 60
    run(here, "merge", "lang:cipher", "merged")
    assert json.loads(run(here, "backbones", "show", "merged", "--json"))["family"] == "xlm-roberta"
    for key in ("lang:cipher", "task:mood"):
        run(here, "push", key, "--to", tmp_path / "registry")

    there = Machine(tmp_path / "there")
    shutil.copytree(here.folder / "fairseq", there.folder / "fairseq")
    shutil.copy(here.folder / "test.csv", there.folder)
    monkeypatch.chdir(there.folder)
    run(there, "registry", "add", tmp_path / "registry", "--name", "ours")
    run(there, "pull", "lang:cipher")
    run(there, "pull", "task:mood")
    assert run(there, "predict", "-s", stack, "--json", "-d", "test.csv") == answers


def test_converted_where_it_is_wanted_it_is_the_same_backbone(here):
    said = json.loads(run(here, "backbones", "convert", "fairseq", "--output", "written", "--json"))
    shown = [json.loads(run(here, "backbones", "show", name, "--json")) for name in ("fairseq", "written")]
    assert [each["fingerprint"] for each in shown] == [said["fingerprint"]] * 2
    assert (shown[0]["family"], shown[0]["pieces"]) == ("xlm-roberta", len(pieces_of(subwords())) + 5)
    again = here.lect("backbones", "convert", "fairseq", "--output", "written")
    assert again.exit_code == 1 and again.stderr.startswith("error: written: the folder holds something already")
    assert "fairseq" in run(here, "backbones")

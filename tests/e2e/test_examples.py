"""`lect examples`: the recipes that come along, and copies of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lect.commands.app import app

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["examples", *arguments])


def test_every_recipe_of_the_repository_is_listed_in_80_columns():
    listed = json.loads(run("list", "--json").stdout)
    files = [path for path in (ROOT / "examples").glob("*/*.toml") if path.name != "pyproject.toml"]
    assert sorted(each["name"] for each in listed) == sorted(f"{file.parent.name}/{file.stem}" for file in files)
    assert all(each["summary"] for each in listed)
    data = {each["name"]: each["data"] for each in listed}
    assert (data["topic/task"], data["starters/nko-terms"]) == (["sib200"], [])
    # What it is made of reads data, too.
    assert data["nusax/multitask"] == ["nusax-mt", "nusax-senti", "sib200"]
    shown = run("list")
    assert shown.exit_code == 0 and max(map(len, shown.stdout.splitlines())) <= 80


def test_a_copy_is_the_recipe_and_says_what_data_it_lacks(elsewhere):
    result = run("copy", "topic/task")
    assert result.exit_code == 0
    assert (elsewhere / "examples/topic/task.toml").read_text() == (ROOT / "examples/topic/task.toml").read_text()
    first, second = result.stdout.splitlines()
    assert first == "examples/topic/task.toml"
    assert second == "They read sib200 in ../shared/data, where they are not; --data FOLDER says where they are."


def test_a_copy_reads_the_data_where_the_user_has_them(elsewhere):
    (elsewhere / "mine/sib200").mkdir(parents=True)
    result = run("copy", "topic/task.toml", "--data", "mine", "--output", "recipes")
    assert result.stdout == "recipes/topic/task.toml\n"
    text = (elsewhere / "recipes/topic/task.toml").read_text()
    assert 'path = "../../mine/sib200/eng_Latn/train.tsv"' in text
    assert "--data mine/sib200/jav_Latn/test.tsv" in text and "shared" not in text


def test_a_folder_comes_whole_and_a_recipe_with_what_it_is_made_of(elsewhere):
    result = run("copy", "nusax/multitask", "--data", str(elsewhere))
    copied = {path.relative_to(elsewhere / "examples").as_posix() for path in (elsewhere / "examples").rglob("*.toml")}
    assert copied == {"nusax/multitask.toml", "nusax/language.toml", "nusax/task.toml", "topic/task.toml"}
    assert result.exit_code == 0
    assert run("copy", "ner").exit_code == 0
    assert len(list((elsewhere / "examples/ner").iterdir())) == 2


def test_nothing_is_written_over_and_an_unknown_name_is_told_the_nearest(elsewhere):
    assert run("copy", "pos/task").exit_code == 0
    file = elsewhere / "examples/pos/task.toml"
    file.write_text("mine")
    refused = run("copy", "pos", "qa")
    assert refused.exit_code == 1 and "examples/pos/task.toml: is there already" in refused.stderr
    assert file.read_text() == "mine" and not (elsewhere / "examples/qa").exists()
    assert run("copy", "pos/task", "--force").exit_code == 0 and file.read_text() != "mine"
    unknown = run("copy", "topic/taks")
    assert unknown.exit_code == 1 and 'did you mean "topic/task"?' in unknown.stderr


def test_where_the_data_lie_is_written_once(elsewhere):
    run("copy", "topic/task", "--data", "../../shared/data")
    assert 'path = "../../../../shared/data/sib200/eng_Latn/train.tsv"' in (
        elsewhere / "examples/topic/task.toml"
    ).read_text("utf-8")

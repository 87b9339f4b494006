"""`lect backbones trim`, and components of the whole backbone on what it wrote, as a user has them."""

from __future__ import annotations

import json

import pytest

from lect.storage.store import read_folder_manifest

pytestmark = pytest.mark.models


@pytest.fixture
def small(workspace, trained):
    """A workspace with the trained components and a trimmed backbone, and what trimming printed."""
    (workspace.folder / "components/lang").mkdir(parents=True)
    (workspace.folder / "components/task").mkdir()
    for key in ("lang/cipher", "task/mood"):
        (workspace.folder / "components" / key).symlink_to(trained / key)
    done = workspace.lect(
        "backbones", "trim", "backbone", "--text", "train.csv", "--text", "pairs.tsv", "--output", "small"
    )
    assert done.exit_code == 0, done.stderr
    return workspace, done


def test_components_answer_the_same_and_it_is_said(small):
    workspace, done = small
    assert "kept" in done.stdout and "lines are cut as before." in done.stdout
    answers = {}
    for backbone in ("backbone", "small"):
        result = workspace.lect("predict", "-s", "task:mood", "--backbone", backbone, "--json", "-d", "test.csv")
        assert result.exit_code == 0, result.stderr
        answers[backbone] = result.stdout
        said = 'note: "task:mood" was trained on "backbone", which "small" was trimmed from' in result.stderr
        assert said == (backbone == "small")
    assert answers["small"] == answers["backbone"]


def test_what_is_trained_on_it_stands_with_components_of_the_whole(small):
    workspace, _ = small
    trained = workspace.lect(
        "train", "task.toml", "--set", "backbone.name=small", "--set", "component.name=new", "--set",
        "stack=lang:cipher", "--set", "training.epochs=1",
    )  # fmt: skip
    assert trained.exit_code == 0, trained.stderr
    manifest = read_folder_manifest(workspace.folder / "components/task/new")
    whole = read_folder_manifest(workspace.folder / "components/lang/cipher").backbone.fingerprint
    assert manifest.backbone.trimmed_from == (whole,) != (manifest.backbone.fingerprint,)
    result = workspace.lect("predict", "-s", "lang:cipher + task:new", "--json", "a fine day")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["answer"] in ("good", "bad")
    refused = workspace.lect("predict", "-s", "task:new", "--backbone", "backbone", "a fine day")
    assert refused.exit_code == 1 and '"task:new" was trained on the backbone "small"' in refused.stderr


def test_scores_without_a_component_are_said_to_be_those_of_the_trimmed_backbone(small):
    workspace, _ = small
    data = ("-d", "pairs.tsv", "-o", "text=cipher", "-o", "translation=english")
    whole = workspace.lect("eval", "-s", "lang:cipher", "--json", *data)
    assert whole.exit_code == 0, whole.stderr
    assert "trimmed" not in whole.stdout
    cut = workspace.lect("eval", "-s", "lang:cipher", "--backbone", "small", "--json", *data)
    notes = " ".join(json.loads(cut.stdout)["notes"])
    assert "The backbone was trimmed from backbone: what is scored without a component is scored" in notes
    # As the note says, what the whole one gives by itself can be had.
    bare = workspace.lect("eval", "--backbone", "backbone", "--json", *data)
    assert bare.exit_code == 0, bare.stderr
    (variant,) = json.loads(bare.stdout)["variants"]
    assert variant["label"] == "bare backbone"
    assert variant["scores"] == json.loads(whole.stdout)["variants"][1]["scores"]
    assert "trimmed" not in bare.stdout

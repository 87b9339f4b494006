"""What users get wrong: one clear line, exit code 1, and nothing half-written."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest


def refused(workspace, *arguments, code=1):
    result = workspace.lect(*arguments)
    assert result.exit_code == code, result.stdout + result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in result.stderr
    assert not list(workspace.folder.glob("components/*/*"))
    return line


def edit(workspace, name, before, after):
    path = workspace.folder / name
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ('"train.csv"', '"trian.csv"', ["trian.csv", 'did you mean "train.csv"']),
        ('label = "label"', 'label = "lable"', ["train.csv", '"lable"', 'did you mean "label"']),
        ("learning_rate =", "learning_rat =", ["task.toml", "training.learning_rat", 'did you mean "learning_rate"']),
        ("epochs = 6", 'epochs = "six"', ["task.toml", "training.epochs"]),
        ("[head]", "[head", ["task.toml, line"]),
        ('"full"', '"ful"', ['no plugin provides method "ful"', 'did you mean "full"']),
        ('"full"', '"affine"\nlast_layer = 1', ["parts[0]", 'did you mean "last_layers"']),
        ('name = "supervised"', 'name = "superwised"', ['"superwised"', "supervised"]),
        ('name = "backbone"', 'name = "bakcbone"', ["bakcbone"]),
        ('kind = "classification"', 'kind = "clasification"', ['"clasification"', "classification"]),
        ('name = "mood"', 'name = "../mood"', ["task.toml", "component.name"]),
        ('role = "task"', 'role = "tusk"', ["component.role"]),
    ],
)
def test_a_mistake_in_a_recipe(workspace, before, after, expected):
    edit(workspace, "task.toml", before, after)
    line = refused(workspace, "train", "task.toml")
    for part in expected:
        assert part in line


def test_no_such_recipe(workspace):
    assert 'did you mean "task.toml"' in refused(workspace, "train", "tsak.toml")


def test_an_unknown_label_at_evaluation_is_named_with_its_line(workspace, trained):
    workspace.write("odd.csv", "text,label\nfine,good\nodd,strange\n")
    line = refused(
        workspace, "eval", "--components", str(trained), "-s", "task:mood", "-d", "odd.csv", "-o", "label=label"
    )
    assert "odd.csv, line 3" in line
    assert '"strange"' in line


def test_an_empty_text_is_named_with_its_line(workspace):
    workspace.write("train.csv", "text,label\nfine,good\n,bad\n")
    assert "train.csv, line 3" in refused(workspace, "train", "task.toml")


def test_invalid_utf8_is_named_with_its_line(workspace):
    (workspace.folder / "train.csv").write_bytes(b"text,label\nfine,good\nb\xff,bad\n")
    line = refused(workspace, "train", "task.toml")
    assert "train.csv, line 3" in line
    assert "UTF-8" in line


def test_a_single_label_is_no_task(workspace):
    workspace.write("train.csv", "text,label\nfine,good\ngreat,good\n")
    assert "1 label" in refused(workspace, "train", "task.toml")


def test_a_very_long_text_is_cut_and_said(workspace, trained):
    workspace.write("long.csv", f"text\n{'fine day ' * 11_200}\ngreat\n")
    result = workspace.lect("predict", "--components", str(trained), "-s", "task:mood", "-d", "long.csv")
    assert result.exit_code == 0, result.stderr
    assert "1 of 2 texts are longer than" in result.stderr
    assert "long.csv, line 2" in result.stderr
    edit(workspace, "train.csv", "id,text,label\n", f"id,text,label\n0,{'fine day ' * 11_200},good\n")
    result = workspace.lect("train", "task.toml", "--set", "training.epochs=1")
    assert result.exit_code == 0, result.stderr
    assert "1 of 161 texts are longer than" in result.stderr


def test_a_component_of_another_backbone_is_refused_with_both_fingerprints(workspace, trained):
    from lect.storage.manifest import read_manifest
    from lect.testing.backbones import save_tiny_backbone

    save_tiny_backbone(workspace.folder / "other", "xlm-roberta", seed=1)
    line = refused(workspace, "predict", "--components", str(trained), "--backbone", "other", "-s", "task:mood", "fine")
    assert read_manifest(trained / "task/mood/component.toml").backbone.fingerprint in line
    assert line.count("fingerprint") >= 1


def copy_of(trained, workspace):
    folder = workspace.folder / "mine"
    shutil.copytree(trained, folder)
    return folder


def test_a_truncated_weights_file(workspace, trained):
    folder = copy_of(trained, workspace)
    weights = folder / "task/mood/weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    line = refused(workspace, "predict", "--components", str(folder), "-s", "task:mood", "fine")
    assert "weights.safetensors" in line


def test_a_pickle_where_weights_should_be_is_never_unpickled(workspace, trained):
    folder = copy_of(trained, workspace)
    weights = folder / "task/mood/weights.safetensors"
    marker = workspace.folder / "executed"

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (marker,))

    weights.write_bytes(pickle.dumps(Bomb()))
    assert "weights.safetensors" in refused(
        workspace, "predict", "--components", str(folder), "-s", "task:mood", "fine"
    )
    weights.unlink()
    (folder / "task/mood/pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    assert "pickle" in refused(workspace, "predict", "--components", str(folder), "-s", "task:mood", "fine")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ("lang:cypher + task:mood", 'did you mean "lang:cipher"'),
        ("lung:cipher", 'did you mean "lang"'),
        ("lang:cipher + + task:mood", "column"),
        ("task:mood + lang:cipher", 'write "lang:cipher + task:mood"'),
        ("lang:cipher", "has no head"),
        ("", "no stack is given"),
    ],
)
def test_a_wrong_stack(workspace, trained, stack, expected):
    assert expected in refused(workspace, "predict", "--components", str(trained), "-s", stack, "fine")


def test_a_full_disk_leaves_the_component_before_as_it_was(workspace, monkeypatch):
    import errno

    import safetensors.torch

    assert workspace.lect("train", "task.toml", "--set", "training.epochs=1").exit_code == 0
    folder = workspace.folder / "components/task/mood"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    save = safetensors.torch.save_file

    def full(tensors, file, metadata=None):
        if file.parent.parent == folder.parent:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(tensors, file, metadata)

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    result = workspace.lect("train", "task.toml", "--set", "training.epochs=1", "--set", "training.seed=5")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "space" in line or "full" in line
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["mood"]


def test_a_loss_that_is_no_number_stops_the_run_with_advice(workspace):
    line = refused(workspace, "train", "task.toml", "--set", "training.learning_rate=1e30", "--set", "training.clip=0")
    assert "learning_rate" in line


def test_several_mistakes_of_a_recipe_are_a_line_each(workspace):
    edit(workspace, "task.toml", "epochs = 6", 'epochs = "six"')
    edit(workspace, "task.toml", '"full"', '"ful"')
    edit(workspace, "task.toml", 'kind = "classification"', 'kind = "clasification"')
    result = workspace.lect("train", "task.toml")
    assert result.exit_code == 1
    places = [line.split(": ")[1] for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert sorted(places) == [
        "task.toml, head.kind", "task.toml, parts[0].method", "task.toml, training.epochs"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["train", "train.csv"],
            "train.csv: this is data, not a recipe; have a recipe written: lect new task --data train",
        ),
        (["eval", "task.toml"], "task.toml: is a recipe, not a matrix; give it to another command: lect train task"),
        (["audit", "task.toml"], "task.toml: is a recipe, not an audit; give it to another command: lect train task"),
        (["train", "matrix.toml"], "is a matrix, not a recipe; give it to another command: lect eval matrix.toml"),
        (["eval", "task:mood"], 'there is no such file; a stack goes with --stack: -s "task:mood"'),
        (["explain", "a fine day"], "no stack is given; name one with --stack"),
        (["components", "show", "./task.toml"], "is a file, not a component's folder; name the folder that holds"),
        (["index", "search", "nowhere", "a"], "nowhere: there is no such folder; build it with lect index build"),
        (["train", "task.toml", "--set", "component.licence=CC-BY-SA"], 'did you mean "CC-BY-SA-4.0"?'),
        (["train", "task.toml", "--set", "component.licence=MIT License"], 'did you mean "MIT"?'),
        (
            ["train", "task.toml", "--set", r'data.train.path="C:\new.csv"'],
            "where a backslash was meant, write the path",
        ),
        (["train", "task.toml", "--set", "training.steps=9"], "with --set training.epochs= on the command line"),
        (["train", "task.toml", "--set", 'component.languages=["Bambraa"]'], 'did you mean "bm"?'),
    ],
)
def test_a_slip_on_the_command_line_says_the_way_on(workspace, arguments, said):
    workspace.write("matrix.toml", '[[dataset]]\nreader = "csv"\npath = "test.csv"\n[[stack]]\nstack = "task:mood"\n')
    assert said in refused(workspace, *arguments)


def test_a_registry_s_check_of_a_folder_without_one_says_how_to_start_it(workspace):
    result = workspace.lect("registry", "check", ".")
    assert result.exit_code == 1
    assert "name a registry's folder, or start one with: lect registry build ." in result.stdout


def test_the_name_of_a_file_where_a_text_is_due_is_noticed(workspace, trained):
    result = workspace.lect("predict", "--components", str(trained), "-s", "task:mood", "test.csv")
    assert result.exit_code == 0
    assert 'note: "test.csv" is taken as a text; to read the file of that name: --data test.csv' in result.stderr

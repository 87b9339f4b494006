"""A recipe chooses layers: each method's component says it in the method's own fields, and acts there alone."""

from __future__ import annotations

import re

import pytest
from safetensors.torch import load_file

import lect
from lect.errors import RecipeError
from lect.toml import parse_toml

OUTPUTS = ("attention.output.dense", "output.dense")
FEW = ("--set", "training.steps=2", "--set", "training.epochs=")


def trained(workspace, *changes, recipe="task.toml"):
    return workspace.lect("train", recipe, *FEW, *(word for change in changes for word in ("--set", change)))


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("method='full'", {"only_layers": [1]}),
        ("method='bottleneck', reduction_factor=4", {"reduction_factor": 4, "leave_out": [0]}),
        ("method='lora', r=2, target_modules=['query']", {"r": 2, "layers_to_transform": [1]}),
        (
            "method='ia3', target_modules=['query', 'output.dense']",
            {"target_modules": [f"encoder.layer.1.{end}" for end in ("attention.self.query", *OUTPUTS)]},
        ),
        ("method='affine'", {"last_layers": 1}),
    ],
    ids=lambda value: value.split(",")[0] if isinstance(value, str) else "",
)
def test_a_component_keeps_the_fields_of_its_method(workspace, part, fields):
    run = trained(workspace, f"parts.0={{{part}}}", "parts.layers=last 1")
    assert run.exit_code == 0, run.stderr
    file = workspace.folder / "components/task/mood/component.toml"
    (entry,) = parse_toml(file.read_text("utf-8"), RecipeError, where="component.toml")["parts"]
    assert entry["config"].items() >= fields.items() and "layers" not in entry["config"]
    names = " ".join(load_file(file.with_name("weights.safetensors")))
    assert set(re.findall(r"layers?[./](\d+)", names)) <= {"1"}
    assert workspace.lect("predict", "-s", "task:mood", "a great day").exit_code == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["parts.layers=last 3"], 'task.toml, parts[0].layers: "backbone" has 2 layers, too few for "last 3"'),
        (["parts.layers=[3]"], '"backbone" has no layer 3; its layers are 1 to 2, counted from 1'),
        (["parts.layers=the best"], 'task.toml, parts[0].layers: should be "all", "last 3"'),
        (["parts.only_layers=[0]", "parts.layers=last 1"], "the layers are said twice, by only_layers too"),
        (
            ["parts.0={method='bottleneck', preset='seq_bn_inv', layers='last 1'}"],
            'task.toml, parts[0].layers: "seq_bn_inv" acts on the embeddings too, below every layer',
        ),
        (
            ["parts.0={method='lora', layers_to_transform=[1], layers='last 1'}"],
            "the layers are said twice, by layers_to_transform too",
        ),
        (["parts.0={method='affine', layers='first 1'}"], "this method acts in the last layers, or in all"),
        (["parts.only_layers=[2]"], 'method "full", only_layers: "backbone" has no layer 2; its layers are 0 to 1'),
    ],
    ids=str,
)
def test_layers_that_cannot_be(workspace, changes, message):
    run = trained(workspace, *changes)
    assert run.exit_code == 1
    (line,) = run.stderr.splitlines()
    assert message in line


def test_a_method_that_has_no_layers(workspace):
    run = trained(workspace, "parts.0={method='vocabulary', pieces=8, layers='last 1'}", recipe="language.toml")
    assert run.exit_code == 1
    assert 'the method "vocabulary" cannot be kept to some layers; leave it out; those that can are: ' in run.stderr


def test_from_python(workspace):
    rows = [("a great day", "good"), ("the grim cold", "bad")] * 4
    rows = [{"text": text, "label": label} for text, label in rows]
    component = lect.teach_task(
        rows, "mood", backbone="backbone", layers="last 1", training={"steps": 1, "epochs": None}
    )
    assert component.manifest.parts[0].config["leave_out"] == [0]
    assert 'layers = "last 1"' in component.manifest.training.recipe

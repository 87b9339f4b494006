"""Stacks of several components, fusions and combinations, as a user walks through them."""

from __future__ import annotations

import json
import shutil

import pytest
from safetensors.torch import load_file
from workspaces import Workspace

from lect.storage.manifest import read_manifest

FUSION = """
[component]
name = "fused"
role = "lang"
languages = ["en"]

[backbone]
name = "backbone"

[[parts]]
method = "fusion"
over = ["lang:one", "lang:two"]

[objective]
name = "alignment"

[data.train]
reader = "tsv"
path = "pairs.tsv"
text = "cipher"
translation = "english"

[training]
steps = 20
learning_rate = 1e-2
precision = "float32"
"""


@pytest.fixture(scope="module")
def stocked(template, tmp_path_factory):
    """Two languages and a task, each trained for a few steps, once for all tests."""
    folder = tmp_path_factory.mktemp("stocked")
    for path in template.iterdir():
        (folder / path.name).symlink_to(path)
    small = ["--set", "parts.0.method=affine", "--set", "training.steps=15", "--set", "training.epochs="]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LECT_HOME", str(folder / "home"))
        shop = Workspace(folder)
        for name, licence in (("one", "CC0-1.0"), ("two", "CC-BY-4.0")):
            seed = ["--set", f"component.name={name}", "--set", f'component.licence="{licence}"']
            result = shop.lect("train", "language.toml", *small, *seed, "--set", f"training.seed={len(licence)}")
            assert result.exit_code == 0, result.stderr
        assert shop.lect("train", "task.toml", "--set", "parts.0.method=affine").exit_code == 0
    return folder


@pytest.fixture
def shop(stocked, workspace):
    """A folder of the test's own with these components in it."""
    shutil.copytree(stocked / "components", workspace.folder / "components")
    workspace.write("fusion.toml", FUSION)
    return workspace


def test_stacks_of_all_forms_answer_and_are_scored(shop):
    assert shop.lect("train", "fusion.toml").exit_code == 0
    for language in (
        "0.7*lang:one",
        "avg(lang:one, lang:two)",
        "(lang:one - 0.5*lang:two)",
        "ties(lang:one, lang:two, density=0.5)",
        "lang:fused",
    ):
        result = shop.lect("predict", "-s", f"{language} + task:mood", "--json", "a great day")
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["answer"] in ("good", "bad")
    stack = "mix(0.7*lang:one, 0.3*lang:two) + 0.5*lang:fused + task:mood"
    result = shop.lect("eval", "-s", stack, "-d", "test.csv", "-o", "label=label", "--json")
    assert result.exit_code == 0, result.stderr
    labels = [variant["label"] for variant in json.loads(result.stdout)["variants"]]
    assert labels == [
        stack,
        "without mix(0.7*lang:one, 0.3*lang:two)",
        "without 0.5*lang:fused",
        "task:mood",
    ]


def test_a_fusion_trains_its_attention_and_nothing_else(shop):
    members = {
        name: (shop.folder / f"components/lang/{name}/weights.safetensors").read_bytes() for name in ("one", "two")
    }
    result = shop.lect("train", "fusion.toml", "--json")
    assert result.exit_code == 0, result.stderr
    folder = shop.folder / "components/lang/fused"
    tensors = load_file(folder / "weights.safetensors")
    assert all(name.startswith("fusion.attention.") for name in tensors)
    assert any(tensor.abs().max() > 0.1 for name, tensor in tensors.items() if "key.bias" not in name)
    for name, content in members.items():
        assert (shop.folder / f"components/lang/{name}/weights.safetensors").read_bytes() == content
    manifest = read_manifest(folder / "component.toml")
    assert [entry.component for entry in manifest.members] == ["lang:one", "lang:two"]
    assert [entry.licence for entry in manifest.members] == ["CC0-1.0", "CC-BY-4.0"]
    log = [json.loads(line) for line in (shop.folder / "runs/lang-fused/metrics.jsonl").read_text().splitlines()]
    losses = [record["loss"] for record in log if "loss" in record]
    assert losses[-1] < losses[0]
    shown = shop.lect("components", "show", "lang:fused").stdout
    assert "lang:two 1.0.0, CC-BY-4.0" in shown
    assert "lang:one" in (folder / "README.md").read_text()
    # Trained on the same members again, it is the same to the byte.
    before = (folder / "weights.safetensors").read_bytes()
    assert shop.lect("train", "fusion.toml").exit_code == 0
    assert (folder / "weights.safetensors").read_bytes() == before

    shutil.rmtree(shop.folder / "components/lang/two")
    missing = shop.lect("predict", "-s", "lang:fused + task:mood", "a great day")
    assert missing.exit_code == 1
    assert 'stands on "lang:two" 1.0.0, which cannot be read' in " ".join(missing.stderr.split())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("component.name=one", 'a component cannot stand on itself: "lang:one" over "lang:one"'),
        ('parts.0.over=["lang:one"]', "parts[0].over: should be at least two components"),
        ('parts.0.over=["lang:one", "task:mood"]', '"task:mood" has a head'),
        ('parts.0.over=["lang:one", "lang:tow"]', 'there is no component "lang:tow"'),
        ("parts.0.ovr=1", 'unknown field "ovr"'),
    ],
)
def test_recipes_of_fusions_that_cannot_be(shop, change, message):
    result = shop.lect("train", "fusion.toml", "--set", change)
    assert result.exit_code == 1
    assert message in " ".join(result.stderr.split())


def test_a_combination_is_a_component_of_its_own(shop):
    formula = "lang:three = 0.5*lang:one + lang:two"
    asked = shop.lect("components", "combine", formula)
    assert asked.exit_code == 1
    assert "different licences: lang:one CC0-1.0, lang:two CC-BY-4.0" in " ".join(asked.stderr.split())

    made = shop.lect("components", "combine", formula, "--licence", "CC-BY-4.0", "--json")
    assert made.exit_code == 0, made.stderr
    folder = shop.folder / "components/lang/three"
    assert json.loads(made.stdout)["formula"] == "0.5*lang:one + lang:two"
    manifest = read_manifest(folder / "component.toml")
    assert (manifest.key, manifest.licence, manifest.languages) == ("lang:three", "CC-BY-4.0", ("en",))
    assert manifest.origin.formula == "0.5*lang:one + lang:two"
    assert [member.component for member in manifest.origin.members] == ["lang:one", "lang:two"]
    assert manifest.training is None
    card = (folder / "README.md").read_text()
    assert "0.5*lang:one + lang:two" in card
    assert manifest.origin.members[0].weights in card
    assert "0.5*lang:one + lang:two" in shop.lect("components", "show", "lang:three").stdout

    def scores(language):
        result = shop.lect("predict", "-s", f"{language} + task:mood", "--json", "a great day")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)["scores"]

    expected = scores("(0.5*lang:one + lang:two)")
    assert scores("lang:three") == pytest.approx(expected, abs=1e-5)
    # Its members are not needed any more.
    shutil.rmtree(shop.folder / "components/lang/two")
    assert scores("lang:three") == pytest.approx(expected, abs=1e-5)

    again = shop.lect("components", "combine", "lang:three = 2*lang:one")
    assert again.exit_code == 1
    assert "there is a component already" in " ".join(again.stderr.split())
    forced = shop.lect("components", "combine", "lang:three = 2*lang:one", "--force", "--language", "jav")
    assert forced.exit_code == 0, forced.stderr
    manifest = read_manifest(folder / "component.toml")
    assert (manifest.licence, manifest.languages) == ("CC0-1.0", ("jav",))


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("lang:one = lang:one + lang:two", '"lang:one" would replace one of those it is made of'),
        ("task:new = lang:one", 'name it "lang:new"'),
        ("lang:new = avg(lang:one, lang:two)", "combination, column 12"),
        ("lang:new = lang:one + task:mood", '"task:mood" has a head'),
        ("lang:new = ties(lang:one, dens=1)", 'unknown field "dens"'),
        ("lang:new = lang:one - lang:one", "stands in it twice"),
    ],
)
def test_combinations_that_cannot_be(shop, formula, message):
    result = shop.lect("components", "combine", formula, "--licence", "CC0-1.0")
    assert result.exit_code == 1
    assert message in " ".join(result.stderr.split())
    assert not (shop.folder / "components/lang/new").exists()

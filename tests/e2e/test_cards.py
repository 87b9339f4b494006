"""Cards and results of trained components: audited, published, and checked again by others."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
from huggingface_hub import ModelCard

AUDIT = """
title = "Moods"
stack = "task:mood"

[[dataset]]
language = "en"
reader = "csv"
path = "test.csv"
label = "label"

[[counterfactual]]
name = "persons"
templates = ["{who} had a fine day", "{who} had a grim day"]
[counterfactual.substitutions]
who = { female = ["she"], male = ["he"] }
"""


@pytest.fixture
def mood(workspace, trained):
    """The workspace, with the trained components in it."""
    import shutil

    shutil.copytree(trained, workspace.folder / "components")
    return workspace


def lines(result):
    assert result.exit_code == 0, result.stderr
    return result.stdout.splitlines()


def refusal(result):
    assert result.exit_code == 1, result.stdout
    return result.stderr


def test_from_run_and_audit_to_a_registry_that_is_sound(mood):
    mood.write("audit.toml", AUDIT)
    lines(mood.lect("audit", "audit.toml", "--output", "audit.json"))
    assert list(json.loads((mood.folder / "audit.json").read_text())["components"]) == ["task:mood@1.0.0"]
    mood.write("mood.bib", "@misc{mood, title = {Moods}}\n")
    done = lines(mood.lect("components", "card", "task:mood", "--audit", "audit.json", "--citation", "mood.bib"))
    assert done == ["task:mood  components/task/mood/README.md"]
    card = (mood.folder / "components/task/mood/README.md").read_text()
    assert "Measured by `lect audit` of `task:mood` (Moods):" in card
    assert "persons: of 2 pairs of texts" in card
    assert "```bibtex\n@misc{mood, title = {Moods}}\n```" in card
    data = ModelCard(card).data
    assert (data.license, data.pipeline_tag) == ("cc0-1.0", "text-classification")
    # Without another audit the card keeps the one it has.
    lines(mood.lect("components", "card", "task:mood", "--limits", "Only four words"))
    assert "Measured by" in (mood.folder / "components/task/mood/README.md").read_text()
    lines(mood.lect("push", "task:mood", "--to", "registry"))
    assert (mood.folder / "registry/components/task/mood/1.0.0/audit.json").is_file()
    assert lines(mood.lect("registry", "check", "registry", "--recompute")) == [
        "task:mood@1.0.0: 10 scores are as they were",
        "registry/registry.toml  is sound",
    ]
    lines(mood.lect("pull", "task:mood", "--registry", "./registry", "--components", "pulled"))
    pulled = refusal(mood.lect("components", "card", "task:mood", "--limits", "x", "--components", "pulled"))
    assert "was pulled, and its card is its author's" in pulled


def test_an_audit_of_something_else_is_refused(mood):
    mood.write("audit.toml", AUDIT)
    lines(mood.lect("audit", "audit.toml", "--output", "audit.json"))
    report = json.loads((mood.folder / "audit.json").read_text())
    before = (mood.folder / "components/task/mood/README.md").read_bytes()

    def refused(**changes):
        mood.write("other.json", json.dumps({**report, **changes}))
        return refusal(mood.lect("components", "card", "task:mood", "--audit", "other.json"))

    assert "other.json: is an audit of task:mood@1.0.0 with other weights" in refused(
        components={"task:mood@1.0.0": "a" * 64}
    )
    assert "other.json: is no audit of task:mood@1.0.0 (task:x@1.0.0)" in refused(components={"task:x@1.0.0": "a" * 64})
    assert "(does not say what of)" in refused(components={})
    assert "other.json: the audit has schema 2" in refused(schema=2)
    for broken in (
        {"parity": 3},
        {"notes": [3]},
        {"title": None},
        {"counterfactuals": [{"groups": []}]},
        {"data": [[]]},
    ):
        assert "other.json: " in refused(**broken)
    groupless = {
        **report["counterfactuals"][0],
        "groups": [{**report["counterfactuals"][0]["groups"][0], "changes": []}],
    }
    assert "other.json: is not an audit" in refused(counterfactuals=[groupless])
    mood.write("other.json", "[" * 100_000)
    assert "is not an audit" in refusal(mood.lect("components", "card", "task:mood", "--audit", "other.json"))
    assert (mood.folder / "components/task/mood/README.md").read_bytes() == before
    assert not (mood.folder / "components/task/mood/audit.json").exists()


def test_data_that_forbids_the_licence(workspace):
    shorter = ("--set", "training.epochs=1", "--set", "component.licence=MIT")
    trained = workspace.lect("train", "task.toml", *shorter, "--set", "data.train.licence=CC-BY-NC-4.0")
    assert trained.exit_code == 0, trained.stderr
    said = "csv: train.csv is CC-BY-NC-4.0, which allows no commercial use; the component is MIT"
    assert f"warning: task:mood: {said}; lect push refuses that" in trained.stderr
    refused = refusal(workspace.lect("push", "task:mood", "--to", "registry"))
    assert said in refused
    assert 'lect components card task:mood --licence-reason "…"' in refused
    assert not (workspace.folder / "registry").exists()
    told = workspace.lect("components", "card", "task:mood", "--licence-reason", "The authors agreed", "--json")
    assert json.loads(told.stdout)["licence_conflicts"] == []
    lines(workspace.lect("push", "task:mood", "--to", "registry"))
    assert lines(workspace.lect("registry", "check", "registry")) == ["registry/registry.toml  is sound"]
    card = (workspace.folder / "registry/components/task/mood/1.0.0/README.md").read_text()
    assert "Its author says: The authors agreed" in card
    # As the recipe says it.
    quiet = workspace.lect(
        "train", "task.toml", *shorter, "--set", "data.train.licence=CC-BY-NC-4.0",
        "--set", "card.licence_reason=We asked", "--set", "card.citation=Us, 2026",
    )  # fmt: skip
    assert "CC-BY-NC-4.0" not in quiet.stderr
    again = (workspace.folder / "components/task/mood/README.md").read_text()
    assert "Its author says: We asked" in again
    assert again.endswith("## Citation\n\n```\nUs, 2026\n```\n")


def listed(folder):
    """Enter a component's files in a registry as they are now."""
    import shutil

    (folder / "registry/registry.toml").unlink()
    shutil.copytree(folder / "components/task/mood", folder / "registry/components/task/mood/1.0.0", dirs_exist_ok=True)


def test_a_registry_says_what_is_wrong_with_a_card_or_licence(mood):
    lines(mood.lect("push", "task:mood", "--to", "registry"))
    place = mood.folder / "components/task/mood"
    card = (place / "README.md").read_text()
    (place / "README.md").write_text(
        card.replace("license: cc0-1.0", "license: mit").replace("## Results", "## Praise")
    )
    manifest = (place / "component.toml").read_text()
    listed(mood.folder)
    lines(mood.lect("registry", "build", "registry"))
    checked = mood.lect("registry", "check", "registry")
    assert checked.exit_code == 1
    assert checked.stdout.splitlines() == [
        "task:mood@1.0.0: its card says license = 'mit', and the component is 'cc0-1.0'",
        'task:mood@1.0.0: its card has no section "Results"',
    ]
    file = mood.folder / "registry/registry.toml"
    listing = file.read_text()
    file.write_text(listing.replace("value = ", "value = 9", 1))
    assert (
        "its results as they are listed are not those of its manifest"
        in mood.lect("registry", "check", "registry").stdout
    )
    (place / "README.md").write_text(card)
    (place / "component.toml").write_text(manifest.replace('licence = ""', 'licence = "CC-BY-ND-4.0"'))
    assert manifest != (place / "component.toml").read_text()
    listed(mood.folder)
    refused = refusal(mood.lect("registry", "build", "registry"))
    assert "allows nobody to share what is made of it" in refused


def test_what_strangers_wrote_steers_no_terminal(tmp_path):
    from sharing import Machine, make_component

    from lect.storage.manifest import DataEntry, TrainingEntry

    data = DataEntry(source="x\x1b[31m\u202e\n", rows=1, licence="CC-BY-NC-4.0")
    training = TrainingEntry(objective="o", data=(data,), steps=1, seed=0, seconds=1.0, examples=1)
    here = Machine(tmp_path / "here")
    make_component(here.folder / "home/components", licence="CC-BY-NC-4.0", training=training)
    lines(here.lect("push", "lang:mad", "--to", tmp_path / "registry"))
    place = tmp_path / "registry/components/lang/mad/1.0.0"
    before = (place / "component.toml").read_text()
    manifest = before.replace('licence = "CC-BY-NC-4.0"', 'licence = "MIT"', 1)
    (place / "component.toml").write_text(manifest)
    file = tmp_path / "registry/registry.toml"
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in (before, manifest)]
    text = file.read_text().replace(*digests).replace('licence = "CC-BY-NC-4.0"', 'licence = "MIT"')
    file.write_text(text.replace(f"size = {len(before.encode())},", f"size = {len(manifest.encode())},"))
    checked = here.lect("registry", "check", tmp_path / "registry")
    assert checked.exit_code == 1
    assert r"its licence: x\x1b[31m\u202e\n is CC-BY-NC-4.0, which allows no commercial use" in checked.stdout
    assert all(line.isprintable() for line in checked.stdout.splitlines())


def test_results_are_computed_again(mood):
    for reference in ("task:mood", "lang:cipher"):
        place = mood.folder / "components" / reference.replace(":", "/")
        stated = (place / "component.toml").read_text()
        assert "[[results]]" in stated
        if 'licence = ""' in stated.split("[backbone]")[0]:
            (place / "component.toml").write_text(stated.replace('licence = ""', 'licence = "CC0-1.0"', 1))
            lines(mood.lect("components", "card", reference))
        lines(mood.lect("push", reference, "--to", "registry"))
    found = lines(mood.lect("registry", "check", "registry", "--recompute", "--tolerance", "1e-4"))
    assert [line.split(": ")[1].split(" ", 1)[1] for line in found[:2]] == ["scores are as they were"] * 2
    # A claim that is too good.
    place = mood.folder / "components/task/mood"
    stated = (place / "component.toml").read_text()
    value = stated.split("[[results]]")[1].split("value = ")[1].split()[0]
    (place / "component.toml").write_text(stated.replace(f"value = {value}", "value = 0.123", 1))
    lines(mood.lect("push", "task:mood", "--to", "other"))
    checked = mood.lect("registry", "check", "other", "--recompute")
    assert checked.exit_code == 1
    assert "task:mood@1.0.0: " in checked.stdout
    assert "on csv: valid.csv is stated as 0.123, and is " in checked.stdout
    assert "when it is computed again (tolerance 0.02)" in checked.stdout
    # Where the data is not at hand, or is other data, it is said so and nothing is compared.
    for change, said in (
        (lambda: (mood.folder / "train.csv").rename(mood.folder / "elsewhere.csv"), "train.csv"),
        (lambda: mood.write("train.csv", "text,label\na day,good\na night,bad\n"), "is not what it was trained on"),
    ):
        change()
        checked = mood.lect("registry", "check", "other", "--recompute")
        assert checked.exit_code == 0, checked.stdout
        assert "note: task:mood@1.0.0: not computed again: " in checked.stderr
        assert said in checked.stderr


STARTERS = """schema = 1

[[starter]]
name = "mood"
version = "1.0.0"
role = "task"
languages = ["en"]
licence = "CC0-1.0"
recipe = "task.toml"
weights = "WEIGHTS"
environment = "another machine"
"""


@pytest.mark.processes
def test_a_starter_is_rebuilt_to_the_bit(workspace):
    """Trained by its recipe in two processes, it has the same weights; other weights than listed are said to be so."""
    recipe = (workspace.folder / "task.toml").read_text()
    workspace.write("task.toml", recipe.replace("epochs = 6", "epochs = 1"))
    workspace.write("registry.toml", STARTERS.replace("WEIGHTS", "a" * 64))
    other = workspace.lect("registry", "rebuild", "task:mood", "--registry", ".")
    assert other.exit_code == 1
    weights = hashlib.sha256((workspace.folder / "components/task/mood/weights.safetensors").read_bytes()).hexdigest()
    assert f"error: task:mood: its weights are {weights}, and {'a' * 64} are listed" in other.stderr
    assert "listed for: another machine" in other.stdout
    workspace.write("registry.toml", STARTERS.replace("WEIGHTS", weights))
    assert lines(workspace.lect("registry", "check", ".")) == ["registry.toml  is sound"]
    listed = json.loads(workspace.lect("registry", "rebuild", "--registry", ".", "--json").stdout)
    assert [each["recipe"] for each in listed] == ["task.toml"]
    done = subprocess.run(
        [sys.executable, "-m", "lect", "registry", "rebuild", "task:mood", "--registry", ".", "--components", "built"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"task:mood  built/task/mood\nequal to the bit: SHA-256 {weights}\n"


def test_starters_that_are_wrong(workspace):
    workspace.write("registry.toml", STARTERS.replace("WEIGHTS", "a" * 64).replace('"mood"', '"other"'))
    unknown = refusal(workspace.lect("registry", "rebuild", "task:oter", "--registry", "."))
    assert 'there is no starter component "task:oter"; did you mean "task:other"?' in unknown
    checked = workspace.lect("registry", "check", ".")
    assert checked.exit_code == 1
    assert "starter task:other: task.toml: is listed with name 'task:other', and is a recipe of 'task:mood'" in (
        checked.stdout
    )
    workspace.write("registry.toml", STARTERS.replace("WEIGHTS", "a" * 64).replace("task.toml", "nowhere.toml"))
    assert "nowhere.toml" in workspace.lect("registry", "check", ".").stdout
    workspace.write("registry.toml", STARTERS.replace("WEIGHTS", "a" * 64).replace("task.toml", "../task.toml"))
    assert "leaves its folder" in workspace.lect("registry", "check", ".").stdout

"""What a backbone from a folder of another framework is put through: trained on, evaluated, merged, shared, pulled."""

from __future__ import annotations

import json
import shutil

from sharing import Machine


def run(machine, *arguments: object) -> str:
    """What a command prints that has to go well."""
    done = machine.lect(*map(str, arguments))
    assert done.exit_code == 0, done.stderr
    return done.stdout


def fill_machine(machine, template, backbone):
    """Data and recipes of the template, for a backbone that lies in a folder of this name; a LoRA for the language."""
    for path in template.iterdir():
        if path.is_file():
            text = path.read_text("utf-8").replace('name = "backbone"', f'name = "{backbone}"')
            own = "lora" if path.name == "language.toml" else "bottleneck"
            (machine.folder / path.name).write_text(text.replace('"full"', f'"{own}"'), encoding="utf-8")


def take_to_a_second_home(here, backbone, family, tmp_path, monkeypatch):
    """Train a language and a task on it here; they answer the same where they are pulled."""
    small = ("--set", "training.epochs=1", "--set", "component.licence=CC0-1.0")
    run(here, "train", "language.toml", *small)
    run(here, "train", "task.toml", *small, "--set", "stack=lang:cipher")
    stack = "lang:cipher + task:mood"
    scores = json.loads(run(here, "eval", "-s", stack, "-d", "test.csv", "-o", "label=label", "--json"))
    assert backbone in json.dumps(scores)
    answers = run(here, "predict", "-s", stack, "--json", "-d", "test.csv")
    assert len(answers.splitlines()) == 60
    run(here, "merge", "lang:cipher", "merged")
    assert json.loads(run(here, "backbones", "show", "merged", "--json"))["family"] == family
    for key in ("lang:cipher", "task:mood"):
        run(here, "push", key, "--to", tmp_path / "registry")

    there = Machine(tmp_path / "there")
    shutil.copytree(here.folder / backbone, there.folder / backbone)
    shutil.copy(here.folder / "test.csv", there.folder)
    monkeypatch.chdir(there.folder)
    run(there, "registry", "add", tmp_path / "registry", "--name", "ours")
    run(there, "pull", "lang:cipher")
    run(there, "pull", "task:mood")
    assert run(there, "predict", "-s", stack, "--json", "-d", "test.csv") == answers

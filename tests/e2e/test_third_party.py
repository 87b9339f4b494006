"""A head and a reader of a plugin that is not lect's own are used as lect's own are: by name, ending and field."""

from __future__ import annotations

import json

import pytest
from huggingface_hub import ModelCard

pytestmark = pytest.mark.models

MESSAGES = """## download_page ##

# on a button
;Open a file
Ouvrir un fichier

;not yet
not yet

;Firefox
Firefox {ok}
"""


def test_messages_are_read_by_their_ending_and_their_comments_go_into_clean_rows(workspace):
    workspace.write("fr.lang", MESSAGES)
    done = workspace.lect("data", "clean", "fr.lang", "-o", "language=fr", "--output", "out.jsonl")
    assert done.exit_code == 0, done.stderr
    assert "fr.lang: 1 row translated by themselves left out" in done.stderr
    assert [json.loads(line) for line in (workspace.folder / "out.jsonl").read_text("utf-8").splitlines()] == [
        {
            "text": "Ouvrir un fichier",
            "translation": "Open a file",
            "language": "fr",
            "extra": {"comment": "on a button"},
        },
        {"text": "Firefox", "translation": "Firefox", "language": "fr"},
    ]
    workspace.write("wrong.lang", "un jour\n")
    done = workspace.lect("data", "clean", "wrong.lang", "--output", "out.jsonl")
    assert (done.exit_code, "wrong.lang, line 1: a translation of no message" in done.stderr) == (1, True)


def test_a_head_of_ones_own_is_trained_scored_used_and_described(workspace):
    rows = [f"{text},{stars}" for stars, text in (("1", "bad"), ("3", "so so"), ("10", "a great day")) for _ in "ab"]
    workspace.write("stars.csv", "\n".join(["text,label", *rows]) + "\n")
    recipe = (workspace.folder / "task.toml").read_text(encoding="utf-8").replace('"classification"', '"ordinal"')
    workspace.write("stars.toml", recipe.replace("train.csv", "stars.csv").replace("valid.csv", "stars.csv"))
    done = workspace.lect("train", "stars.toml", "--set", "component.name=stars", "--set", "training.steps=2",
                          "--set", "training.epochs=")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    card = (workspace.folder / "components/task/stars/README.md").read_text(encoding="utf-8")
    assert ModelCard(card).data.pipeline_tag == "text-classification"
    done = workspace.lect("predict", "-s", "task:stars", "--json", "a great day")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert list(answer["scores"]) == ["1", "3", "10"], "in their order, and not that of their letters"
    assert sum(answer["scores"].values()) == pytest.approx(1, abs=1e-3)

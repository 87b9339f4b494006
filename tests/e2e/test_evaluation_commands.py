"""A matrix, an audit and an explanation, as a user asks for them."""

import csv
import json

import pytest

MATRIX = """
title = "Moods"
source = "eng"

[[dataset]]
languages = ["eng", "cipher"]
reader = "csv"
path = "{language}.csv"
label = "label"

[[stack]]
name = "task"
stack = "task:mood"

[[stack]]
name = "language + task"
stack = "lang:{language} + task:mood"
fallback = "task:mood"

[[stack]]
name = "two languages"
stack = "lang:{language} + lang:other + task:mood"
"""

AUDIT = """
stack = "task:mood"
group = "key"
terms = ["warm"]

[[dataset]]
language = "eng"
reader = "csv"
path = "groups.csv"
label = "label"
key = "group"

[[counterfactual]]
name = "names"
templates = ["the {person} day", "a {person} day", "{person} and the"]
[counterfactual.substitutions.person]
first = ["great happy", "bright warm"]
second = ["grim sad", "dark cold"]
"""


def prepare(workspace):
    rows = workspace.folder.joinpath("test.csv").read_text(encoding="utf-8").splitlines()
    table = str.maketrans("abcdefghijklmnopqrstuvwxyz", "bcdefghijklmnopqrstuvwxyza")
    workspace.write("eng.csv", "\n".join(rows) + "\n")
    coded = [f"{number},{text.translate(table)},{label}" for number, text, label in csv.reader(rows[1:])]
    workspace.write("cipher.csv", "\n".join([rows[0], *coded]) + "\n")
    grouped = [f"{text},{label},{'ab'[place % 2]}" for place, (_, text, label) in enumerate(csv.reader(rows[1:]))]
    workspace.write("groups.csv", "\n".join(["text,label,group", *grouped]) + "\n")
    workspace.write("matrix.toml", MATRIX)
    workspace.write("audit.toml", AUDIT)


def test_a_matrix_is_scored_once_skips_what_is_absent_and_writes_every_form(workspace, trained):
    prepare(workspace)
    arguments = ["eval", "matrix.toml", "--components", str(trained), "--json"]
    outputs = [f"report{ending}" for ending in (".html", ".md", ".csv", ".json")]
    result = workspace.lect(*arguments, *(f"--output={name}" for name in outputs))
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    # The fallback is the task alone, which is scored already.
    assert report["computed"] == 3
    entries = {(entry["dataset"], entry["name"]): entry for entry in report["entries"]}
    assert entries["eng", "language + task"]["is_fallback"]
    assert entries["cipher", "language + task"]["stack"] == "lang:cipher + task:mood"
    assert entries["cipher", "two languages"]["skipped"] == 'there is no component "lang:other"'
    (part,) = report["parts"]
    whole, without = (
        variant["scores"] for variant in entries["cipher", "language + task"]["cell"]["report"]["variants"]
    )
    main = {score["name"]: score["value"] for score in whole}, {score["name"]: score["value"] for score in without}
    assert part["second"] == "without lang:cipher"
    assert part["value"] == pytest.approx(main[0]["macro_f1"] - main[1]["macro_f1"])
    assert part["low"] <= part["value"] <= part["high"] and 0 < part["p"] <= part["adjusted"] <= 1
    (compared,) = report["comparisons"]
    assert compared["value"] == pytest.approx(part["value"])
    cost = entries["cipher", "language + task"]["cell"]["cost"]
    assert cost["parameters"] > entries["eng", "task"]["cell"]["cost"]["parameters"] > 0
    assert cost["training_seconds"] > 0 and cost["bytes"] > 4 * cost["parameters"]
    # The scores are those of the command for one stack.
    alone = workspace.lect("eval", "-s", "task:mood", "-d", "eng.csv", "-o", "label=label", "--json",
                           "--components", str(trained))  # fmt: skip
    own = json.loads(alone.stdout)["variants"][0]["scores"]
    assert entries["eng", "task"]["cell"]["report"]["variants"][0]["scores"] == own
    page = (workspace.folder / "report.html").read_text(encoding="utf-8")
    assert "there is no component" in page and page.count("<svg") >= 3
    again = json.loads(workspace.lect(*arguments).stdout)
    assert again["computed"] == 0
    assert again["entries"] == report["entries"]
    # What depends on nothing that changed stays.
    with (workspace.folder / "eng.csv").open("a", encoding="utf-8") as file:
        file.write("99,a warm day,good\n")
    assert json.loads(workspace.lect(*arguments).stdout)["computed"] == 1
    damaged = next((workspace.folder / "runs/eval-matrix").iterdir())
    damaged.write_text("{", encoding="utf-8")
    assert workspace.lect(*arguments).exit_code == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("task:mood", "task:none"), 'there is no component "task:none"'),
        (('source = "eng"', 'source = "fra"'), 'no data set is of the language "fra"'),
        (("[[stack]]", "[[stak]]"), 'unknown field "stak"'),
        (("lang:{language} + task:mood", "lang:{language} +"), "stack[1]"),
        (('"two languages"', '"task"'), '"task" is there twice'),
        (('path = "{language}.csv"', 'path = "no-{language}.csv"'), "no such file"),
    ],
)
def test_a_mistake_in_a_matrix_is_one_line(workspace, trained, change, said):
    prepare(workspace)
    workspace.write("matrix.toml", MATRIX.replace(*change))
    result = workspace.lect("eval", "matrix.toml", "--components", str(trained))
    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_audit_compares_groups_templates_and_counts(workspace, trained):
    prepare(workspace)
    result = workspace.lect("audit", "audit.toml", "--components", str(trained), "--json", "--output", "audit.json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found == json.loads((workspace.folder / "audit.json").read_text(encoding="utf-8"))
    (by_key,) = found["parity"]
    assert [group["rows"] for group in by_key["groups"]] == [30, 30]
    (group,) = found["counterfactuals"][0]["groups"]
    changes = {change["label"]: change["value"] for change in group["changes"]}
    # The words are those that the labels hang on.
    assert changes["bad"] > 0.1
    assert changes["bad"] == pytest.approx(-changes["good"])
    assert found["data"][0]["terms"][0]["lift"]["bad"] == 0
    page = ("--output", "audit.html", "--locale", "id")
    shown = workspace.lect("audit", "audit.toml", "--components", str(trained), *page)
    assert "counterfactual: names" in shown.stdout
    written = (workspace.folder / "audit.html").read_text(encoding="utf-8")
    assert '<html lang="id" dir="ltr">' in written and "kontrafaktual: names" in written and "<script" not in written
    assert max(map(len, shown.stdout.splitlines())) <= 80
    from lect.auditing.card import audit_lines
    from lect.auditing.report import AuditReport
    from lect.storage.card import render_card
    from lect.storage.manifest import read_manifest

    manifest = read_manifest(trained / "task/mood/component.toml")
    card = render_card(manifest, audit_lines(AuditReport.from_json(result.stdout)))
    assert "are answered differently" in card and "Of anything else it is not known. Not measured" in card
    assert "are answered differently" not in render_card(manifest)


def test_an_explanation_shares_the_logit_out_and_says_what_each_part_changed(workspace, trained):
    text = "the hsfbu ebz boe"
    arguments = ["explain", text, "-s", "lang:cipher + task:mood", "--components", str(trained)]
    result = workspace.lect(*arguments, "--json", "--attention", "--output", "explanation.html")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert [word[0] for word in found["words"]] == text.split()
    whole, without = found["variants"]
    assert without["label"] == "without lang:cipher"
    for variant in (whole, without):
        total = sum(token["attribution"] for token in variant["pieces"])
        assert total == pytest.approx(variant["score"] - variant["baseline"], abs=0.02)
        assert sum(token["rollout"] for token in variant["pieces"]) == pytest.approx(1, abs=1e-4)
    changes = [own - other for own, other in zip(whole["words"], without["words"], strict=True)]
    assert without["changes"] == pytest.approx(changes)
    page = (workspace.folder / "explanation.html").read_text(encoding="utf-8")
    assert "hsfbu</span>" in page and "<script" not in page
    shown = workspace.lect(*arguments)
    assert "what the whole adds to the stack without lang:cipher" in shown.stdout
    # Where no colour is seen the word that counts most has its figure behind it.
    word, value = max(zip(text.split(), whole["words"], strict=True), key=lambda pair: abs(pair[1]))
    assert f"{word}({value:+.2f})" in shown.stdout
    refused = workspace.lect("explain", text, "-s", "lang:cipher", "--components", str(trained))
    assert refused.exit_code == 1 and "--against" in refused.stderr
    beside = workspace.lect("explain", text, "-s", "lang:cipher", "--against", "the great day and", "--json",
                            "--components", str(trained))  # fmt: skip
    assert json.loads(beside.stdout)["kind"] == "cosine"
    wrong = workspace.lect(*arguments, "--target", "god")
    assert 'did you mean "good"?' in wrong.stderr

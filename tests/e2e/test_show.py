"""`lect show` and `lect compare` of what was trained and scored."""

import json
import re


def test_components_and_reports_that_lect_made_are_shown_and_compared(workspace, trained):
    library = ("--components", str(trained))
    result = workspace.lect("show", "task:mood", *library)
    assert (result.exit_code, result.stdout) == (0, "task-mood-1.0.0.html\n"), result.stderr
    page = (workspace.folder / "task-mood-1.0.0.html").read_text(encoding="utf-8")
    for said in ("bad, good", "CC0-1.0", "csv: train.csv", "supervised", "macro F1", "full", "head"):
        assert said in page
    compared = workspace.lect("compare", "lang:cipher", "task:mood", *library)
    assert re.search(r"^objective\.name +alignment +supervised *$", compared.stdout, re.MULTILINE)
    for name, stack in (("a.json", "task:mood"), ("b.json", "lang:cipher + task:mood")):
        scored = workspace.lect("eval", "-s", stack, "-d", "test.csv", *library, "--output", name)
        assert scored.exit_code == 0, scored.stderr
    result = workspace.lect("compare", "a.json", "b.json", "--json", "--output", "page.html")
    given = json.loads(result.stdout)
    assert (given["kind"], given["untested"]) == ("report", "")
    main = given["scores"][0]
    assert main["score"] == "macro_f1" and given["test"]["difference"] == main["second"] - main["first"]
    assert 0 < given["test"]["p"] <= 1
    assert "Two reports compared" in (workspace.folder / "page.html").read_text(encoding="utf-8")


def test_a_run_says_what_it_was_computed_with(workspace):
    assert workspace.lect("train", "task.toml", "--set", "training.epochs=1").exit_code == 0
    assert workspace.lect("show", "runs/task-mood", "--output", "run.html").stdout == "run.html\n"
    page = (workspace.folder / "run.html").read_text(encoding="utf-8")
    assert "float32" in page and "lect-heads" in page and "macro F1 by step" in page
    assert "task:mood 1.0.0" in page and "not in the library" not in page

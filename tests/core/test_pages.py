"""`lect show` and `lect compare`: pages that need nothing else, and what differs between two of a kind."""

import json
import random
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lect.commands.app import app
from lect.evaluation.bootstrap import bootstrap
from lect.evaluation.metrics import classification_scores
from lect.evaluation.report import EvaluationReport, variant_of
from lect.evaluation.significance import paired_test
from lect.pages.page import page
from lect.pages.things import ShownComponent
from lect.storage.manifest import Manifest

RECIPE = """
[component]
name = "mood"
role = "task"

[[parts]]
method = "lora"
rank = {rank}

[training]
learning_rate = 0.001
"""
TRUTH = [random.Random(place).choice(("bad", "good")) for place in range(120)]


@pytest.fixture
def lect(tmp_path, monkeypatch):
    """Runs `lect` in the test's folder, in 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "80")
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def write_run(folder, rank=8, best=0.75):
    folder.mkdir()
    (folder / "recipe.toml").write_text(RECIPE.format(rank=rank), encoding="utf-8")
    steps = [
        {"step": step, "loss": 1 / step, "pieces": 300.0, "seconds": step * 0.5, "memory": 1.5} for step in (1, 10, 20)
    ]
    judged = {"judged_by": {"macro_f1": "higher"}}
    scored = [
        {"step": 10, "validation": {"accuracy": 0.1, "macro_f1": best, "f1[<b>]": 0.5}, **judged},
        {"step": 20, "validation": {"accuracy": 0.9, "macro_f1": 0.5}, **judged},
    ]
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in steps + scored), encoding="utf-8")
    (folder / "environment.txt").write_text("a machine, float32\nlect 9.9\n", encoding="utf-8")


def answers(skill, seed):
    generator = random.Random(seed)
    return [true if generator.random() < skill else generator.choice(("bad", "good")) for true in TRUTH]


def write_report(file, given, keys=None):
    report = EvaluationReport(
        title="task:mood",
        dataset="csv: test.csv",
        rows=len(TRUTH),
        backbone="tiny",
        main="macro_f1",
        variants=(variant_of("task:mood", bootstrap(classification_scores, TRUTH, given), given),),
        keys=tuple(keys or map(str, range(len(TRUTH)))),
        metric="classification",
        truth=tuple(TRUTH),
    )
    file.write_text(report.to_json(), encoding="utf-8")


def test_a_run_is_shown_as_one_page_that_needs_nothing_else(lect, tmp_path):
    write_run(tmp_path / "run")
    result = lect("show", "run")
    assert (result.exit_code, result.stdout) == (0, "run/page.html\n")
    page = (tmp_path / "run" / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert "0.7500 at step 10" in page and "rank = 8" in page and "a machine, float32" in page
    assert "<b>" not in page and "<script" not in page
    # Names of XML's own spaces are no addresses that are asked for.
    assert not re.search(r"(?:src|href)=\"https?:|url\(", page.replace("url(#", ""))


def test_pages_are_in_the_language_that_is_asked_for(lect, tmp_path, monkeypatch):
    write_run(tmp_path / "run")
    write_run(tmp_path / "other", best=0.875)
    assert lect("show", "run", "--locale", "fr").exit_code == 0
    page = (tmp_path / "run" / "page.html").read_text(encoding="utf-8")
    assert '<html lang="fr" dir="ltr">' in page and "0,7500 au pas 10" in page and ">0,8<" in page
    monkeypatch.setenv("LECT_LOCALE", "sw_TZ.UTF-8")
    printed = lect("compare", "run", "other", "--output", "page.html").stdout
    assert "best validation" not in printed and "ahead" in printed
    assert "Ulinganisho wa mafunzo mawili" in (tmp_path / "page.html").read_text(encoding="utf-8")
    refused = lect("show", "run", "--locale", "xx")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert 'locale "xx": pages are not in this language; take en, fr, id or sw' in refused.stderr


def test_two_runs_are_compared(lect, tmp_path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", rank=4, best=0.875)
    result = lect("compare", "a", "b", "--output", "page.html")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert re.search(r"^parts\.lora\.rank +8 +4 *$", result.stdout, re.MULTILINE)
    assert re.search(r"^macro F1 +0\.7500 +0\.8750 +\+0\.1250 +B *$", result.stdout, re.MULTILINE)
    assert "training.learning_rate" not in result.stdout
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("<svg") == 2


def test_reports_of_the_same_rows_are_tested(lect, tmp_path):
    first, second = answers(0.5, 1), answers(0.9, 2)
    write_report(tmp_path / "a.json", first)
    write_report(tmp_path / "b.json", second)
    given = json.loads(lect("compare", "a.json", "b.json", "--json").stdout)
    expected = paired_test(classification_scores, "macro_f1", TRUTH, second, first)
    assert given["test"] == {
        "difference": expected.value, "low": expected.low, "high": expected.high, "p": expected.p, "resamples": 10_000,
    }  # fmt: skip
    assert given["scores"][0]["difference"] == pytest.approx(expected.value)
    shown = lect("compare", "a.json", "b.json").stdout
    assert f"p = {expected.p:.3f} (paired bootstrap" in " ".join(shown.split())
    assert lect("show", "a.json").stdout == "a.html\n"
    assert "csv: test.csv" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_reports_of_other_rows_are_not_tested(lect, tmp_path):
    write_report(tmp_path / "a.json", TRUTH)
    write_report(tmp_path / "b.json", TRUTH, keys=[f"row {place}" for place in range(len(TRUTH))])
    given = json.loads(lect("compare", "a.json", "b.json", "--json").stdout)
    assert (given["test"], given["untested"]) == (None, "they are not of the same rows")


def test_what_is_none_of_these_is_refused_in_one_line(lect, tmp_path):
    write_run(tmp_path / "run")
    write_report(tmp_path / "a.json", TRUTH)
    (tmp_path / "other.json").write_text("[1]", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "metrics.jsonl").write_text('{"step": 1, "loss": 1.0}\n{"st', encoding="utf-8")
    for arguments, said in (
        (("show", "nothing"), "nothing: there is no such run, component or report"),
        (("show", "other.json"), "other.json: this is not the JSON of a report"),
        (("show", "empty"), "empty: neither a run nor a component"),
        (("show", "broken"), "broken/metrics.jsonl, line 2: this line is not one of a run's log"),
        (("show", "run", "--output", "page.pdf"), 'page.pdf: pages are not written as ".pdf"'),
        (("compare", "run", "a.json"), "a run and a report cannot be compared"),
        (("compare", "run", "run", "--open"), "no page is written that could be opened"),
    ):
        result = lect(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert said in result.stderr and result.stderr.count("\n") == 1


def test_a_component_with_a_gate_and_scores_of_one_source():
    """Its figures are in columns; a source is named once, by the end of its path, and what is long stands below."""
    manifest = Manifest.model_validate(
        {
            "name": "bam",
            "version": "1.0.0",
            "role": "lang",
            "languages": ["bm"],
            "stack": "",
            "backbone": {"name": "b", "identity": "b 1", "fingerprint": "0" * 64, "hidden_size": 8},
            "parts": [{"method": "bottleneck"}],
            "gate": [
                {"use": "retrieval", "strength": 0.5, "measure": "recall@1", "score": 71.25, "without": 64.0}
                | {"whole": 70.5, "rows": 323}
            ],
            "results": [
                {
                    "metric": name,
                    "value": 0.9,
                    "without": 0.6,
                    "dataset": "validation: text: /home/me/data/bam/train.txt",
                }
                for name in ("recall@1", "mrr")
            ],
        }
    )
    shown = page(ShownComponent(Path("bam"), manifest, {"bottleneck": 10}, 100))
    assert "Measured on validation: text: bam/train.txt." in shown and "/home/me" not in shown
    assert shown.count("bam/train.txt") == 1
    assert '<th scope="row">retrieval</th><td>0.5</td><td>71.2</td><td>70.5</td><td>64.0</td>' in shown
    assert "In percent: retrieval by recall@1 (323 rows)." in shown

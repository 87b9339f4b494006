"""Matrices: what they say of cells that are known, and how they are shown."""

import csv
import io
import json
import random
import re
import statistics
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from rich.console import Console

from lect.data.dataset import Dataset, digest
from lect.data.examples import Example
from lect.evaluation.bootstrap import bootstrap
from lect.evaluation.matrix.cells import Cell, Cost, Rows, key_of
from lect.evaluation.matrix.file import load_matrix
from lect.evaluation.matrix.result import Curve, Entry
from lect.evaluation.matrix.run import report_of
from lect.evaluation.metrics import METRICS, classification_scores
from lect.evaluation.report import EvaluationReport, variant_of
from lect.storage.library import Library

LABELS = ("negative", "neutral", "positive")
LANGUAGES = ("ind", "eng", "ace", "jav", "min", "sun")
SKILL = {"task": 0.6, "language + task": 0.8, "LoRA": 0.65, "language + LoRA": 0.7}
HOST = SimpleNamespace(spec=lambda _kind, name: next(spec for spec in METRICS if spec.name == name))


def answers(truth, skill, seed):
    generator = random.Random(seed)
    return [true if generator.random() < skill else generator.choice(LABELS) for true in truth]


def cell(language, stack, skill, rows, seed):
    generator = random.Random(language)
    truth = [generator.choice(LABELS) for _ in range(rows)]
    own = answers(truth, skill, f"{language}{seed}")
    variants = [(stack, own)]
    if stack.startswith("lang"):
        variants.append((f"without lang:{language}", answers(truth, 0.6, f"{language}0")))
    report = EvaluationReport(
        stack,
        f"csv: {language}.csv",
        rows,
        "e5-small",
        "macro_f1",
        tuple(variant_of(name, bootstrap(classification_scores, truth, given), given) for name, given in variants),
    )
    tokens = tuple(generator.randint(5, 150) for _ in truth)
    return Cell(
        key=f"{language} {stack}",
        stack=stack,
        metric="classification",
        report=report,
        rows=Rows(
            tuple(truth),
            tokens,
            tuple(generator.choice((0, 0, 1)) for _ in truth),
            tuple(true == answer for true, answer in zip(truth, own, strict=True)),
            tuple(generator.uniform(0.4, 1) for _ in truth),
        ),
        cost=Cost(375_075, 1_512_345, 200.0, 6.5, ("x86_64 CPU, 1 thread, float32",)),
        components=("task:sentiment",),
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("matrix")
    stacks = "".join(
        f'[[stack]]\nname = "{name}"\nstack = "{"lang:{language} + " if "language" in name else ""}task:{name[-1]}"\n'
        + ('fallback = "task:k"\n' if name == "language + task" else "")
        for name in SKILL
    )
    (folder / "matrix.toml").write_text(
        f'title = "Sentiment & <more>"\nsource = "ind"\nnote = "What <b>this</b> is."\n{stacks}'
        f'[[dataset]]\nlanguages = {list(LANGUAGES)}\nreader = "csv"\npath = "{{language}}.csv"\nlicence = "MIT"\n',
        encoding="utf-8",
    )
    matrix = load_matrix(folder / "matrix.toml")
    entries, data = [], {}
    for each in matrix.datasets:
        examples = tuple(Example(f"text {row}", "neutral") for row in range(400))
        data[each.name] = Dataset(each.source, examples, digest(examples))
        for place, stack in enumerate(matrix.stacks):
            text = stack.text(each.language)
            if each.language in ("ind", "eng") and stack.is_pattern:
                if stack.fallback is None:
                    entries.append(Entry(each.name, stack.name, text, skipped="there is no component"))
                    continue
                entries.append(Entry(each.name, stack.name, "task:k", is_fallback=True))
                entries[-1] = replace(entries[-1], cell=cell(each.language, "task:k", 0.6, 400, 0))
                continue
            entries.append(Entry(each.name, stack.name, text, cell(each.language, text, SKILL[stack.name], 400, place)))
    built = report_of(matrix, data, entries, HOST)
    curve = Curve("task:x", (1, 10, 20, 30), (1.1, 0.9, 0.5, 0.3), (10, 30), (0.5, 0.8), "macro_f1")
    return replace(built, curves=(curve,))


@pytest.mark.slow
def test_a_page_of_six_languages_and_four_stacks_needs_nothing_else(report):
    text = report.to_html()
    checker = Checker()
    checker.feed(text)
    assert not checker.open, checker.open
    assert "<script" not in text
    assert not re.search(r"""(?:src|href)=["'](?!#)|url\((?!#)|@import""", text)
    # Text from outside never becomes markup.
    assert "Sentiment &amp; &lt;more&gt;" in text
    assert "<b>this</b>" not in text
    assert text.count("<svg") == 5
    for heading in ("Scores", "Gap to the source language", "Calibration", "Confusion", "What the words mean"):
        assert f"<h2>{heading}</h2>" in text


class Checker(HTMLParser):
    """Finds elements that are not closed in the order in which they were opened."""

    VOID = ("meta", "br")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_table_fits_eighty_columns_and_marks_what_is_sure(report):
    out = io.StringIO()
    Console(file=out, width=80).print(report)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    better = next(line for line in lines if line.strip().startswith("language + task"))
    # Of 400 rows twenty points are sure; the languages without a part have the fallback, which is the baseline.
    assert better.count("*") == 4
    assert better.count("°") == 2
    assert any(line.split()[:3] == ["language", "+", "LoRA"] and "–" in line for line in lines)


def test_gaps_comparisons_and_parts_are_those_of_the_cells(report):
    entry, source = (report.entry(language, "language + task") for language in ("ace", "ind"))
    assert entry.gap.value == pytest.approx(entry.score.value - source.score.value)
    assert entry.gap.low < entry.gap.value < entry.gap.high
    assert source.gap is None
    compared = report.comparison("ace", "language + task")
    assert compared.value == pytest.approx(entry.score.value - report.entry("ace", "task").score.value)
    assert report.comparison("ind", "language + task") is None
    assert len(report.comparisons) == 6 + 4 + 4
    assert all(each.p <= each.adjusted <= 1 for each in report.comparisons)
    assert len(report.parts) == 8
    mean = sum(report.entry(name, "task").score.value for name in LANGUAGES[1:]) / 5
    assert report.mean("task") == pytest.approx(mean)
    assert report.mean("language + LoRA") is None


def test_csv_json_and_markdown_hold_every_entry(report):
    records = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert len(records) == 24
    assert [record["skipped"] for record in records].count("there is no component") == 2
    values = json.loads(report.to_json())
    assert len(values["entries"]) == 24
    assert "predictions" not in values["entries"][0]["cell"]["report"]["variants"][0]
    text = report.to_markdown()
    assert text.count("### ") == 4
    for line in text.splitlines():
        if line.startswith("| language + task |"):
            assert line.count("|") in (6, 7, 8, 9)


def test_a_cell_is_read_back_equal_and_a_damaged_one_is_refused():
    whole = cell("ace", "lang:ace + task:x", 0.8, 30, 1)
    assert Cell.from_json(whole.to_json()) == whole
    from lect.errors import DataError

    for text in ("", "[]", "{}", whole.to_json()[:-9], whole.to_json().replace('"schema": 2', '"schema": 1', 1)):
        with pytest.raises(DataError):
            Cell.from_json(text)


def test_a_cell_is_of_the_backbone_as_it_lies_in_its_folder(tmp_path):
    """One that was trained again is scored again."""
    rows, weights = Dataset(None, (), "a" * 64), tmp_path / "backbone/model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"one")
    keys = [key_of(None, Library(()), "", rows, name) for name in (str(weights.parent), "e5-small")]
    assert keys == [key_of(None, Library(()), "", rows, name) for name in (str(weights.parent), "e5-small")]
    weights.write_bytes(b"another")
    assert key_of(None, Library(()), "", rows, str(weights.parent)) not in keys


@pytest.mark.slow
def test_of_a_score_that_is_better_the_lower_the_lowest_is_best(report):
    lower = replace(report, direction="lower")
    assert lower.best("jav") == min(lower.entry("jav", name).score.value for name in SKILL)
    assert report.best("jav") == max(report.entry("jav", name).score.value for name in SKILL)
    text = lower.to_html()
    assert "<b><bdi>task</bdi></b> has the lowest mean macro F1 over the languages but the source" in text
    assert "<b><bdi>language + task</bdi></b> has the highest mean" in report.to_html()
    # What was better in four languages is worse in them now.
    assert "<bdi>language + task</bdi> is, compared with the baseline, significantly better in 4" in report.to_html()
    assert "<bdi>language + task</bdi> is, compared with the baseline, significantly worse in 4" in text
    assert "macro F1 ↓" in lower.to_markdown() and "↓: the lower, the better." in lower.to_markdown()
    (shown, turned) = (next(line for line in each.to_markdown().splitlines() if "without lang:jav" in line)
                       for each in (report, lower))  # fmt: skip
    assert "| +" in shown and "| -" in turned
    best = [re.findall(r'class="best"[^>]*>([0-9.]+)', each.to_html()) for each in (report, lower)]
    assert statistics.mean(map(float, best[0])) > statistics.mean(map(float, best[1]))


def test_stacks_with_the_same_mean_share_it(report):
    def tied(*names):
        first = {column.name: report.entry(column.name, "task").cell for column in report.columns}
        return replace(
            report,
            entries=tuple(replace(e, cell=first[e.dataset]) if e.name in names else e for e in report.entries),
            comparisons=(),
        )

    known = [row.name for row in report.rows if report.mean(row.name) is not None]
    assert f"All {len(known)} stacks have the same mean macro F1" in tied(*known).to_html()
    better = replace(tied("task"), rows=report.rows)
    others = [replace(e, cell=better.entry(e.dataset, "language + task").cell) if e.name == "LoRA" else e
              for e in better.entries]  # fmt: skip
    text = replace(better, entries=tuple(others)).to_html()
    assert "<b><bdi>language + task</bdi></b> and <b><bdi>LoRA</bdi></b> share the highest mean macro F1" in text

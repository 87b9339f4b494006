"""The display of a run in a terminal: what it says at 80 columns, and that it is silent elsewhere."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from lect.runs import RunInfo
from lect.training.callbacks.dashboard import Curve, Dashboard, sparkline


def console(**options):
    return Console(file=io.StringIO(), width=80, color_system=None, _environ={"TERM": "xterm"}, **options)


def dashboard_at(step, judged, scores=(), terminal=True, total=400):
    shown = console(force_terminal=terminal)
    dashboard = Dashboard(shown, "task:mood", judged)
    dashboard.run_started(RunInfo("mood", "task", "tiny", Path(), total), 0)
    for at in range(1, step + 1):
        figures = {"loss": 1 - at / total, "seconds": at * 0.5, "rows": 16.0, "pieces": 400.0, "memory": 1.5}
        dashboard.step_finished(at, figures)
    for at, values in scores:
        dashboard.validation_finished(at, values)
    return dashboard, shown


def lines_of(dashboard):
    plain = console()
    plain.print(dashboard)
    return plain.file.getvalue().rstrip("\n").split("\n")


def test_a_run_is_shown_in_six_lines_of_80_columns():
    dashboard, _ = dashboard_at(200, {"f1": "higher"}, [(100, {"f1": 0.7, "accuracy": 0.9}), (200, {"f1": 0.6})])
    dashboard.scored_without({"f1": 0.5})
    lines = lines_of(dashboard)
    dashboard.close()
    assert len(lines) == 4 and max(map(len, lines)) <= 80
    assert "200/400 steps   50%  1:40 left" in lines[0]
    assert lines[1].split()[1:] == ["0.5000", lines[1].split()[2], "from", "0.9975"]
    assert lines[1].split()[2].startswith("█") and lines[1].split()[2].endswith("▁")
    assert lines[2] == "rate       32 rows/s  800 tokens/s  memory 1.5 GB"
    assert lines[3] == "f1         0.600 now  0.700 best (step 100)  0.500 without the component"


def test_of_many_components_some_scores_are_shown():
    judged = {f"lang:{name}/perplexity": "lower" for name in "abcde"}
    values = [(5, dict.fromkeys(judged, 9.0)), (9, dict.fromkeys(judged, 11.0))]
    dashboard, _ = dashboard_at(9, judged, values)
    lines = lines_of(dashboard)
    dashboard.close()
    assert len(lines) == 6 and lines[-1].strip() == "and 3 more components"
    assert "lang:a/perplexity ↓" in lines[3] and "9.000 best (step 5)" in lines[3]


def test_it_is_silent_where_there_is_no_terminal():
    dashboard, shown = dashboard_at(3, {"f1": "higher"}, [(3, {"f1": 1.0})], terminal=False)
    dashboard.close()
    assert shown.file.getvalue() == ""


def test_a_resumed_run_knows_its_best_score():
    dashboard, _ = dashboard_at(3, {"f1": "higher"}, [(3, {"f1": 0.75})], terminal=False)
    resumed, _ = dashboard_at(3, {"f1": "higher"}, terminal=False)
    resumed.load_state_dict(dashboard.state_dict())
    resumed.validation_finished(4, {"f1": 0.5})
    assert "0.750 best (step 3)" in lines_of(resumed)[-1]


def test_a_curve_of_any_length_keeps_its_shape():
    curve = Curve(most=64)
    for value in range(10_000):
        curve.add(float(value))
    means = curve.values(8)
    assert len(means) == 8 and curve.first == 0
    assert means == sorted(means) and sum(means) / 8 == pytest.approx(5000, rel=0.03)
    assert sparkline(means) == "▁▂▃▄▅▆▇█" and sparkline([2.0, 2.0], ascii_only=True) == "__"

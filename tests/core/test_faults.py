"""What is kept of a fault, and `lect doctor --report`: nothing of whose it was."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from lect.commands.app import app
from lect.faults import keep_fault, last_fault, without_paths


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "home"


def read_a_row(row):
    raise KeyError(f"the text of a user: {row}")


def a_fault():
    try:
        try:
            read_a_row("Panganane enak")
        except KeyError as error:
            raise RuntimeError("cannot read Panganane enak") from error
    except RuntimeError as error:
        return error


def test_a_fault_is_kept_with_its_places_and_without_what_it_says(home):
    assert last_fault() is None
    keep_fault(a_fault(), "predict")
    kept = last_fault()
    first, *lines = kept.splitlines()
    assert first.endswith("UTC, lect predict")
    assert [line for line in lines if not line.startswith("  ")] == ["KeyError", "RuntimeError"]
    assert any(line.endswith(" read_a_row") and "test_faults.py:" in line for line in lines)
    assert "Panganan" not in kept and str(home.parent) not in kept and "/work" not in kept


def test_the_report_for_an_issue_has_versions_and_the_fault_and_no_paths(home):
    keep_fault(a_fault(), "predict")
    result = CliRunner().invoke(app, ["doctor", "--report"])
    assert result.exit_code in (0, 1)
    rows = [line for line in result.stdout.splitlines() if line.startswith("|")]
    assert all(row.count("|") == 4 for row in rows)
    assert "lect 0." in result.stdout and "lect-heads 0." in result.stdout and "read_a_row" in result.stdout
    assert str(home) not in result.stdout and "Panganan" not in result.stdout
    assert "/" not in "".join(row for row in rows if "| cache |" in row or "| home |" in row)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/maria/lect, 5 GB free", "…, 5 GB free"),
        ("at https://hub.example/a?token=s and ~/x", "at … and …"),
        ("no path: 3/4 of it", "no path: 3/4 of it"),
    ],
)
def test_paths_and_addresses_are_taken_out(text, left):
    assert without_paths(text) == left

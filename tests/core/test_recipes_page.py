"""`docs/recipes.md` says of every field what the models say, and `lect recipe fields` prints it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lect.commands.app import app

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recipes.md"


def lect(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_the_page_is_current_and_every_field_has_a_meaning():
    made = lect("recipe", "fields", "--markdown", "--no-plugin", "affine")
    assert made.exit_code == 0, made.stderr
    page = PAGE.read_text(encoding="utf-8")
    assert page[page.index("## ") :] == made.stdout, "run the command that the page names, below the page's head"
    rows = [line for line in made.stdout.splitlines() if line.startswith("| `")]
    assert len(rows) > 200
    assert [row for row in rows if row.endswith("|  |") or "None" in row] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("training", "  warmup: number = 0.1\n      The share of the run in which the learning rate rises.\n"),
        (
            "training.epochs",
            "[training] How long, how fast, how exactly: a run in which one component learns.\n  epochs: whole",
        ),
        ("csv", 'reader "csv": tables with a header: a comma or semicolon between fields\n'),
        ("method", "  method: text, has to be given\n"),
    ],
)
def test_fields_by_table_field_or_plugin(name, expected):
    found = lect("recipe", "fields", name)
    assert found.exit_code == 0 and expected in found.stdout
    assert max(map(len, found.stdout.splitlines())) <= 80


def test_a_name_that_is_none():
    refused = lect("recipe", "fields", "epoch")
    assert refused.exit_code == 1
    assert refused.stderr == 'error: there is no field or table "epoch"; did you mean "epochs"?\n'

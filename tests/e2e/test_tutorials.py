"""The pages that begin with nothing run as they stand: their files are written, their commands and Python run in order.

Training is cut short, on a tiny model in the place of `e5-small`.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from short_training import stop_python_after_two_steps, two_steps
from typer.testing import CliRunner

import lect

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "start.md", *sorted((DOCS / "tutorials").glob("*.md"))]


def blocks(page):
    """Each fenced block: its language, the name of the file that it is to be saved as, and its text."""
    for match in re.finditer(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```', page.read_text("utf-8"), re.M | re.S):
        yield match[1], match[2], match[3]


@pytest.fixture
def place(small_cache, tmp_path, monkeypatch):
    shutil.copytree(small_cache, tmp_path / "cache", symlinks=True)
    monkeypatch.setenv("LECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    return tmp_path / "desk"


def run(line):
    from lect.commands.app import app

    words = shlex.split(line)[1:]
    if words[0] == "demo":
        # Its own tests run it.
        return
    more = two_steps(Path(words[1])) if words[0] == "train" else []
    result = CliRunner().invoke(app, [*words, *more])
    assert result.exit_code == 0, f"{line}\n{result.stdout}\n{result.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_from_top_to_bottom(page, place, monkeypatch):
    stop_python_after_two_steps(monkeypatch)
    names, ran = {"lect": lect}, 0
    for language, file, text in blocks(page):
        if file:
            (place / file).write_text(text, encoding="utf-8")
        elif language == "bash":
            for line in text.splitlines():
                run(line)
                ran += 1
        elif language == "python":
            exec(compile(text, str(page), "exec"), names)
            ran += 1
    assert ran > 1 or page.stem == "serving"

"""The pages that begin with nothing run as they stand: their files are written, their commands and Python run in order.

Training is cut short, on a tiny model in the place of `e5-small`.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from small_backbones import small_backbones
from typer.testing import CliRunner

import lect

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "start.md", *sorted((DOCS / "tutorials").glob("*.md"))]
TWO_STEPS = ["--set", "training.steps=2", "--set", "training.epochs="]


def blocks(page):
    """Each fenced block: its language, the name of the file that it is to be saved as, and its text."""
    for match in re.finditer(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```', page.read_text("utf-8"), re.M | re.S):
        yield match[1], match[2], match[3]


@pytest.fixture(scope="session")
def small(tmp_path_factory, worker_id):
    """The cache of the tiny models, made once for all workers."""
    root = tmp_path_factory.getbasetemp()
    folder = (root if worker_id == "master" else root.parent) / "tutorials-cache"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            small_backbones(folder.with_suffix(".partial"))
            folder.with_suffix(".partial").rename(folder)
    return folder


@pytest.fixture
def place(small, tmp_path, monkeypatch):
    shutil.copytree(small, tmp_path / "cache", symlinks=True)
    monkeypatch.setenv("LECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    return tmp_path / "desk"


class AfterTwoSteps(lect.Callback):
    def step_finished(self, step, metrics):
        if step == 2:
            self.ask_to_stop("enough for a test")


def run(line):
    from lect.commands.app import app

    words = shlex.split(line)[1:]
    if words[0] == "demo":
        # Its own tests run it.
        return
    more = TWO_STEPS if words[0] == "train" else []
    if words[0] == "train" and 'name = "masked-lm"' in Path(words[1]).read_text("utf-8"):
        more = [*more, "--set", "objective.head_steps=2"]
    result = CliRunner().invoke(app, [*words, *more])
    assert result.exit_code == 0, f"{line}\n{result.stdout}\n{result.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_from_top_to_bottom(page, place, monkeypatch):
    from lect.api import training

    train, names, ran = training.train, {"lect": lect}, 0
    monkeypatch.setattr(
        training,
        "train",
        lambda *given, callbacks=(), **named: train(*given, callbacks=[*callbacks, AfterTwoSteps()], **named),
    )
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

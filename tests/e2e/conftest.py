"""A folder with a tiny backbone, data and recipes, and a way to run `lect` in it."""

from __future__ import annotations

import random
import shutil
import sys
from contextlib import contextmanager

import pytest
from filelock import FileLock
from small_backbones import small_backbones
from typer.testing import CliRunner
from workspaces import Workspace

from lect.testing.backbones import save_tiny_backbone

WORDS = {
    "good": ["fine", "great", "happy", "bright", "warm"],
    "bad": ["awful", "sad", "dark", "cold", "grim"],
}
CIPHER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "bcdefghijklmnopqrstuvwxyza")


def sentences(count: int, seed: int):
    generator = random.Random(seed)
    for _ in range(count):
        label = generator.choice(sorted(WORDS))
        words = generator.choices(WORDS[label], k=2) + generator.choices(["the", "a", "day", "and"], k=2)
        generator.shuffle(words)
        yield " ".join(words), label


TASK = """
[component]
name = "mood"
role = "task"
languages = ["en"]
licence = "CC0-1.0"

[backbone]
name = "backbone"
pooling = "mean"

[[parts]]
method = "full"

[head]
kind = "classification"

[objective]
name = "supervised"

[data.train]
reader = "csv"
path = "train.csv"
label = "label"

[data.validation]
reader = "csv"
path = "valid.csv"
label = "label"

[training]
epochs = 6
batch_size = 16
learning_rate = 3e-3
precision = "float32"
"""

LANGUAGE = """
[component]
name = "cipher"
role = "lang"
languages = ["en"]

[backbone]
name = "backbone"

[[parts]]
method = "full"

[objective]
name = "alignment"
distance = 1.0
contrast = 1.0

[data]
validation_share = 0.2

[data.train]
reader = "tsv"
path = "pairs.tsv"
text = "cipher"
translation = "english"

[training]
epochs = 10
learning_rate = 3e-3
precision = "float32"
"""


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    save_tiny_backbone(folder / "backbone", "xlm-roberta", seed=0)
    for name, count, seed in (("train.csv", 160, 0), ("valid.csv", 40, 1), ("test.csv", 60, 2)):
        rows = "\n".join(f"{index},{text},{label}" for index, (text, label) in enumerate(sentences(count, seed)))
        (folder / name).write_text(f"id,text,label\n{rows}\n", encoding="utf-8")
    pairs = "\n".join(f"{text.translate(CIPHER)}\t{text}" for text, _ in sentences(80, 3))
    (folder / "pairs.tsv").write_text(f"cipher\tenglish\n{pairs}\n", encoding="utf-8")
    (folder / "task.toml").write_text(TASK, encoding="utf-8")
    (folder / "language.toml").write_text(LANGUAGE, encoding="utf-8")
    return folder


@pytest.fixture
def workspace(template, tmp_path, monkeypatch):
    for path in template.iterdir():
        (tmp_path / path.name).symlink_to(path) if path.is_dir() else (tmp_path / path.name).write_bytes(
            path.read_bytes()
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LECT_HOME", str(tmp_path / "home"))
    return Workspace(tmp_path)


INTERRUPTING = """
import os, signal
from lect import hookimpl

@hookimpl
def lect_step_finished(run, step, metrics):
    if step == int(os.environ["INTERRUPT_AT"]):
        signal.raise_signal(signal.SIGINT)
"""


@pytest.fixture
def interrupted_at(tmp_path, monkeypatch):
    """Gives a block in which Ctrl-C comes right after a step of a run: a plugin is installed that sends it."""
    site = tmp_path / "site"
    information = site / "lect_interrupting-1.0.dist-info"
    information.mkdir(parents=True)
    (site / "lect_interrupting.py").write_text(INTERRUPTING, "utf-8")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: lect-interrupting\nVersion: 1.0\n", "utf-8")
    (information / "entry_points.txt").write_text("[lect.v1]\ninterrupting = lect_interrupting\n", "utf-8")

    @contextmanager
    def interrupted(step: int):
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(site))
            patch.setenv("INTERRUPT_AT", str(step))
            yield
            sys.modules.pop("lect_interrupting", None)

    return interrupted


@pytest.fixture(scope="session")
def small_cache(tmp_path_factory, worker_id):
    """A cache with a tiny model in the place of `e5-small`, to be copied; made once for all workers."""
    root = tmp_path_factory.getbasetemp()
    folder = (root if worker_id == "master" else root.parent) / "small-cache"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            small_backbones(folder.with_suffix(".partial"))
            folder.with_suffix(".partial").rename(folder)
    return folder


@pytest.fixture(scope="session")
def trained(template, tmp_path_factory, worker_id):
    """The folder of components that both recipes make, trained once for all workers."""
    root = tmp_path_factory.getbasetemp()
    folder = (root if worker_id == "master" else root.parent) / "trained"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            _train_both(template, folder)
    return folder / "components"


def _train_both(template, folder):
    from lect.commands.app import app

    unfinished = folder.with_suffix(".partial")
    unfinished.mkdir()
    for path in template.iterdir():
        shutil.copytree(path, unfinished / path.name) if path.is_dir() else shutil.copy(path, unfinished)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(unfinished)
        patch.setenv("LECT_HOME", str(unfinished / "home"))
        for recipe in ("language.toml", "task.toml"):
            result = CliRunner().invoke(app, ["train", recipe])
            assert result.exit_code == 0, result.stderr
    unfinished.rename(folder)

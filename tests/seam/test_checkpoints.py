"""Folders of other frameworks as backbones: a plugin recognises and converts them, the host keeps what it made."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from lect.cache import read_marker
from lect.errors import BackboneError, PluginError, UserError
from lect.host.backbones import load_backbone
from lect.selection.conversion import convert_backbone
from lect.testing.backbones import save_tiny_backbone

pytestmark = pytest.mark.models

# A framework whose checkpoint is a line that says where transformers' folder is.
PLUGIN = """
    import shutil
    from lect import BackboneError

    converted = []

    def detect(folder):
        return [folder / "where.txt"] if (folder / "where.txt").is_file() else []

    def convert(folder, target, progress):
        source = pathlib.Path((folder / "where.txt").read_text().strip())
        if not source.is_dir():
            raise BackboneError("it lacks layers.0.bias", where=str(folder / "where.txt"))
        progress("converting", 0.5)
        shutil.copytree(source, target, dirs_exist_ok=True)
        converted.append(folder)
        return ["left out the head"]

    @hookimpl
    def lect_register_checkpoints():
        return [CheckpointSpec("{name}", "folders that say where", detect, convert)]
"""


@pytest.fixture
def host(site):
    site.install("where", PLUGIN.format(name="where"))
    return site.load()


@pytest.fixture
def model(tmp_path):
    return save_tiny_backbone(tmp_path / "model", "bert")


def foreign(folder: Path, model: Path) -> Path:
    folder.mkdir()
    (folder / "where.txt").write_text(f"{model}\n", encoding="utf-8")
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def conversions(site) -> list[Path]:
    return sys.modules["fake_lect_where_where"].converted


def test_a_foreign_folder_is_a_backbone_and_converted_once_by_its_content(site, host, model, cache, tmp_path):
    told = []
    first = foreign(tmp_path / "first", model)
    (first / "lect.toml").write_text('pooling = "first"\n', encoding="utf-8")
    mine = load_backbone(str(first), host=host, progress=lambda what, share: told.append(what))
    assert mine.fingerprint == load_backbone(str(model), host=host).fingerprint
    assert (mine.name, mine.pooling, told) == (str(first), "first", ["converting"])
    (made,) = (folder for folder in (cache / "backbones").iterdir() if folder.is_dir())
    assert read_marker(made)["notices"] == ["left out the head"]
    load_backbone(str(first), host=host)
    load_backbone(str(foreign(tmp_path / "second", model)), host=host)
    assert conversions(site) == [first]
    other = Path(shutil.copytree(model, tmp_path / "other"))
    (first / "where.txt").write_text(str(other), encoding="utf-8")
    load_backbone(str(first), host=host)
    assert conversions(site) == [first, first]


def test_what_cannot_be_converted_is_said_in_one_line_and_leaves_nothing(host, cache, tmp_path):
    folder = foreign(tmp_path / "mine", tmp_path / "nowhere")
    with pytest.raises(BackboneError, match=r"where.txt: it lacks layers.0.bias"):
        load_backbone(str(folder), host=host)
    assert [entry for entry in (cache / "backbones").iterdir() if entry.is_dir()] == []


def test_a_folder_that_two_plugins_take_for_theirs_is_refused(site, host, model, cache, tmp_path):
    site.install("there", PLUGIN.format(name="there"))
    with pytest.raises(PluginError, match="it is taken for a checkpoint of there and of where; use lect --no-plugin"):
        load_backbone(str(foreign(tmp_path / "mine", model)), host=site.load())


def test_a_folder_of_transformers_is_nobody_elses(host, model, cache, tmp_path):
    (model / "where.txt").write_text(str(tmp_path / "nowhere"), encoding="utf-8")
    assert load_backbone(str(model), host=host).folder == model


def test_one_is_written_as_a_folder_where_it_is_wanted(host, model, cache, tmp_path):
    source = foreign(tmp_path / "mine", model)
    (source / "lect.toml").write_text('prefix = "query: "\n', encoding="utf-8")
    done = convert_backbone(source, tmp_path / "written", host)
    assert (done.format, done.family, done.notices) == ("where", "bert", ("left out the head",))
    written = load_backbone(str(tmp_path / "written"), host=host)
    assert (written.fingerprint, written.prefix) == (done.fingerprint, "query: ")
    assert not (cache / "backbones").exists()
    with pytest.raises(UserError, match="the folder holds something already"):
        convert_backbone(source, tmp_path / "written", host)
    convert_backbone(source, tmp_path / "written", host, overwrite=True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("model", "model: it is a folder of transformers already; use it by its path"),
        ("empty", "empty: this folder holds no checkpoint of a framework that is known here (where)"),
        (
            "other",
            "other: this folder holds no model; name one with config.json, model.safetensors and a tokenizer, or ",
        ),
        ("nowhere", "nowhere: there is no such folder; name the folder that holds the checkpoint"),
    ],
)
def test_what_is_no_checkpoint_is_not_converted(name, said, host, model, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model.pt").touch()
    with pytest.raises(BackboneError, match=re.escape(said)):
        convert_backbone(tmp_path / name, tmp_path / "written", host)
    assert not (tmp_path / "written").exists()

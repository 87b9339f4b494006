"""A folder of TensorFlow's as the backbone of a language and a task: trained, evaluated, merged, shared, pulled."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import h5py  # noqa: F401 - importing it starts `uname`, which no quick test may
import pytest
from foreign_checkpoints import fill_machine, run, take_to_a_second_home
from sharing import Machine

pytestmark = pytest.mark.models
GOLDEN = Path(__file__).parents[1] / "golden" / "tensorflow"


@pytest.fixture
def here(template, tmp_path, monkeypatch):
    machine = Machine(tmp_path / "here")
    with zipfile.ZipFile(GOLDEN / "saved_model.zip") as archive:
        archive.extractall(machine.folder / "exported")
    fill_machine(machine, template, "exported")
    monkeypatch.chdir(machine.folder)
    return machine


def test_from_a_saved_model_to_a_second_home(here, tmp_path, monkeypatch):
    take_to_a_second_home(here, "exported", "bert", tmp_path, monkeypatch)


def test_converted_where_it_is_wanted_it_is_the_same_backbone(here):
    done = here.lect("backbones", "convert", "exported", "--output", "written", "--json")
    assert done.exit_code == 0
    assert "left out the pooler (2 variables)" in done.stderr
    shown = [json.loads(run(here, "backbones", "show", name, "--json")) for name in ("exported", "written")]
    assert [each["fingerprint"] for each in shown] == [json.loads(done.stdout)["fingerprint"]] * 2
    assert (shown[0]["family"], shown[0]["pieces"]) == ("bert", 41)
    assert "tensorflow" in run(here, "backbones")

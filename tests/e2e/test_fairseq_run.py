"""A folder of fairseq as the backbone of a language and a task: trained, evaluated, merged, shared, pulled."""

from __future__ import annotations

import json

import pytest
from fairseq_folders import pieces_of, subwords, xlmr_folder
from foreign_checkpoints import fill_machine, run, take_to_a_second_home
from sharing import Machine


@pytest.fixture
def here(template, tmp_path, monkeypatch):
    machine = Machine(tmp_path / "here")
    xlmr_folder(machine.folder / "fairseq")
    fill_machine(machine, template, "fairseq")
    monkeypatch.chdir(machine.folder)
    return machine


def test_from_fairseqs_folder_to_a_second_home(here, tmp_path, monkeypatch):
    take_to_a_second_home(here, "fairseq", "xlm-roberta", tmp_path, monkeypatch)


def test_converted_where_it_is_wanted_it_is_the_same_backbone(here):
    said = json.loads(run(here, "backbones", "convert", "fairseq", "--output", "written", "--json"))
    shown = [json.loads(run(here, "backbones", "show", name, "--json")) for name in ("fairseq", "written")]
    assert [each["fingerprint"] for each in shown] == [said["fingerprint"]] * 2
    assert (shown[0]["family"], shown[0]["pieces"]) == ("xlm-roberta", len(pieces_of(subwords())) + 5)
    again = here.lect("backbones", "convert", "fairseq", "--output", "written")
    assert again.exit_code == 1 and again.stderr.startswith("error: written: the folder holds something already")
    assert "fairseq" in run(here, "backbones")

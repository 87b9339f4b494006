"""Checkpoints and data that fairseq itself wrote (`tests/golden/make_fairseq.py`), and what its modules gave."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from lect.host import Host
from lect.host.backbones import load_backbone
from lect.specs import ReaderSpec

pytestmark = pytest.mark.models

GOLDEN = Path(__file__).parents[1] / "golden" / "fairseq"
FAMILIES = {"xlmr": "xlm-roberta", "xlmr-xl": "xlm-roberta-xl", "mbart": "mbart", "m2m": "m2m_100"}


@pytest.fixture(scope="module")
def host():
    return Host.load(only=("fairseq",))


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_hidden_states_are_those_of_fairseq(name, host, tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path))
    expected = json.loads((GOLDEN / name / "expected.json").read_text("utf-8"))
    backbone = load_backbone(str(GOLDEN / name), host=host, generates=True)
    assert backbone.model.config.model_type == FAMILIES[name]
    tokens = torch.tensor(expected["tokens"])
    there = tokens.ne(1)
    states = backbone.model(tokens, attention_mask=there.long()).last_hidden_state
    assert (states - torch.tensor(expected["states"]))[there].abs().max() < 1e-5
    if "target" in expected:
        target = torch.tensor(expected["target"])
        written = target.ne(1)
        states = backbone.decoder(
            target, attention_mask=written.long(), encoder_hidden_states=states, encoder_attention_mask=there.long()
        ).last_hidden_state
        assert (states - torch.tensor(expected["decoder_states"]))[written].abs().max() < 1e-5


def test_the_files_are_those_that_were_written():
    for line in (GOLDEN / "SHA256SUMS").read_text("utf-8").splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((GOLDEN / name).read_bytes()).hexdigest() == digest, name


def test_prepared_data_are_the_lines_that_were_prepared(host):
    lines = json.loads((GOLDEN / "data/lines.json").read_text("utf-8"))
    values = {"path": "train.id-en.id.idx", "translation": "train.id-en.en.idx"}
    configured = host.configured(ReaderSpec, "fairseq", values, "recipe.toml")
    rows = list(configured.spec.read(configured.config, GOLDEN / "data"))
    assert [(row.text, row.translation) for row in rows] == list(zip(lines["id"], lines["en"], strict=True))

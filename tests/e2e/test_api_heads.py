"""Every kind of head: the command line and Python give the same records for the same rows, whatever rows are drawn."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import DEAR
from typer.testing import CliRunner

import lect
from lect.commands.app import app
from lect.data.written import record_of
from lect.storage.manifest import BackboneEntry, HeadEntry, Manifest
from lect.storage.restore import build_head
from lect.storage.store import write_component
from lect.testing.backbones import save_tiny_backbone

pytestmark = pytest.mark.slow

TEXTS = st.sampled_from(
    ["the old house", "one more bright and happy day", "Budi di Jakarta", "ߝߟߐ and more", "好 日子"]
)
KINDS = {
    "classification": ("bad", "good"),
    "multi-label": ("a", "b", "c"),
    "regression": (),
    "tagging": ("O", "B-P", "I-P"),
    "pos": ("A", "N"),
    "qa": (),
    "multiple-choice": (),
    "parsing": ("det", "root"),
}


def row_of(kind, text, other):
    words = tuple(text.split()) if kind in ("tagging", "pos", "parsing") else None
    more = {
        "classification": {"text_pair": other},
        "qa": {"question": f"{other}?"},
        "multiple-choice": {"question": "cause", "choices": (other, "no one knows")},
    }
    return lect.Example(text, words=words, **more.get(kind, {}))


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    place = str(save_tiny_backbone(folder / "backbone"))
    host = lect.Host.load(report=lambda line: None)
    backbone = lect.load_backbone(place, host=host)
    for seed, (kind, labels) in enumerate(KINDS.items()):
        torch.manual_seed(seed)
        config = {"arc": 12, "relation": 8} if kind == "parsing" else {}
        head = build_head(host, kind, config, backbone, labels, kind)
        tensors = {f"head.{name}": torch.randn_like(tensor) for name, tensor in head.state_dict().items()}
        manifest = Manifest(
            name=kind,
            role="task",
            backbone=BackboneEntry.of(backbone),
            head=HeadEntry(kind=kind, config=config, labels=labels),
        )
        write_component(folder / "components" / "task" / kind, manifest, tensors, None, "")
    stacks = {kind: lect.load(f"task:{kind}", library=folder / "components") for kind in KINDS}
    yield folder, stacks
    for model in stacks.values():
        model.close()


@settings(max_examples=DEAR.max_examples // 2)
@given(drawn=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
@pytest.mark.parametrize("kind", KINDS)
def test_the_command_and_python_give_the_same_records(studio, kind, drawn):
    folder, stacks = studio
    rows = [row_of(kind, *texts) for texts in drawn]
    file = folder / f"{kind}.jsonl"
    file.write_text("".join(f"{json.dumps(record_of(row))}\n" for row in rows), encoding="utf-8")
    command = ["predict", "--json", "-s", f"task:{kind}", "--components", str(folder / "components")]
    printed = CliRunner().invoke(app, [*command, "-d", str(file), "--reader", "examples"])
    assert printed.exit_code == 0, printed.stderr
    records = [{**json.loads(line), "origin": None} for line in printed.stdout.splitlines()]
    found = [json.loads(json.dumps(record)) for record in stacks[kind].predict(lect.read(file, "examples")).records()]
    assert records == [{"origin": None, **record} for record in found]

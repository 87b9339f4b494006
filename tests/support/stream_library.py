"""A folder with a tiny backbone and components of random parameters, for streams of rows through several stacks."""

from __future__ import annotations

from pathlib import Path

import torch

from lect.composition.component import Component
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.specs import BuildContext, Corpus
from lect.storage.manifest import BackboneEntry, HeadEntry, Manifest, PartEntry
from lect.storage.restore import build_head, build_part
from lect.storage.store import write_component
from lect.testing.backbones import save_tiny_backbone

COMPONENTS = {"lang:a": (), "lang:b": (), "task:mood": ("bad", "good"), "task:size": ("large", "middle", "small")}


def fill_library(folder: Path) -> Path:
    """Write the backbone and ``components``; the folder."""
    host = Host.load(report=lambda line: None)
    backbone = load_backbone(str(save_tiny_backbone(folder / "backbone")), host=host)
    entry = BackboneEntry.of(backbone)
    torch.manual_seed(0)
    for key, labels in COMPONENTS.items():
        role, _, name = key.partition(":")
        part = build_part(host, "lora", {"r": 2}, BuildContext(backbone, Corpus(())), key)
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        head = build_head(host, "classification", {}, backbone, labels, key) if labels else None
        manifest = Manifest(
            name=name,
            role=role,
            backbone=entry,
            parts=(PartEntry(method="lora", config={"r": 2}),),
            head=HeadEntry(kind="classification", labels=labels) if labels else None,
        )
        tensors = Component(key, role, {"lora": part}, head).tensors()
        write_component(folder / "components" / role / name, manifest, tensors, None, "")
    return folder

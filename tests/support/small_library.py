"""A library of components on a tiny backbone, and what stacks of them give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.stack import parse_stack
from lect.host import Host
from lect.specs import BuildContext, Corpus
from lect.storage.assemble import attach_component, attach_stack, finder, read_stack
from lect.storage.library import Library
from lect.storage.manifest import BackboneEntry, Manifest, PartEntry
from lect.storage.members import member_entries, read_members
from lect.storage.restore import build_part
from lect.storage.store import write_component
from lect.testing.backbones import tiny_backbone

TEXTS = ["a short one", "another text that is longer than the first", "b", "c d e f g", "once more, with commas"]


@dataclass
class Bench:
    """A library in a folder, a backbone, and a model to open stacks on."""

    folder: Path
    family: str = "xlm-roberta"

    def __post_init__(self):
        self.host = Host.load(report=lambda line: None)
        self.library = Library((self.folder,))
        self.backbone = tiny_backbone(self.family)
        self.model = RoutedModel(self.backbone).eval()

    def write(self, key, method="full", config=None, *, seed=None, scale=0.05, beneath=None, manifest=None):
        """Write a component whose parameters are moved from their start by a seeded random amount."""
        role, _, name = key.partition(":")
        torch.manual_seed(sum(map(ord, key)) if seed is None else seed)
        config = dict(config or {})
        context = BuildContext(self.backbone, Corpus(()), members=beneath or {})
        part = build_part(self.host, method, config, context, key)
        with torch.no_grad():
            for parameter in part.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * scale)
        entry = BackboneEntry(name="tiny", identity="tiny", fingerprint=self.backbone.fingerprint, hidden_size=32)
        values = {"backbone": entry, "parts": (PartEntry(method=method, config=config),), **(manifest or {})}
        written = Manifest(name=name, role=role, **values)
        tensors = Component(key, role, {method: part}).tensors()
        if written.head:
            tensors["head.weight"] = torch.zeros(1)
        tokenizer = "{}" if written.own_tokenizer else None
        write_component(self.folder / role / name, written, tensors, tokenizer, "")
        return part

    def fuse(self, key, *over, **config):
        """Write a fusion with random attention."""
        stored = read_members(over, finder(self.library, self.host), key, "here")
        elsewhere = RoutedModel(tiny_backbone(self.family))
        members = {name: attach_component(elsewhere, self.host, name, each) for name, each in stored.items()}
        entries = {"members": member_entries(stored)}
        return self.write(key, "fusion", {"over": list(over), **config}, scale=0.5, beneath=members, manifest=entries)

    def open(self, text):
        """Attach a stack; its keys."""
        stack = parse_stack(text)
        return attach_stack(self.model, self.host, stack, read_stack(stack, self.library, self.host))

    def run(self, texts, stacks):
        """Hidden states of each row without padding, of stacks by their text."""
        keys = {text: self.open(text) for text in stacks}
        rows = RowEncoder(self.model).encode(texts, [keys[text] for text in stacks])
        hidden = self.model(rows)
        return [states[mask.bool()] for states, mask in zip(hidden, rows.attention_mask, strict=True)]

    @torch.no_grad()
    def output(self, text, words=TEXTS[1]):
        """One row's hidden states."""
        return self.run([words], [text])[0]

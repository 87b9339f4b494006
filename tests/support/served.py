"""A library of components with heads on a tiny backbone in a folder, and a server over it."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from made_up_languages import texts_of
from waiting import wait_for

from lect import Example, load_backbone
from lect.composition.component import Component
from lect.engine.open import OpenStack, open_stack
from lect.host import Host
from lect.languages.profiles import profile_of, profiles_bytes
from lect.specs import BuildContext, Corpus
from lect.storage.card import render_card
from lect.storage.library import Library
from lect.storage.manifest import BackboneEntry, HeadEntry, Manifest, PartEntry
from lect.storage.restore import build_head, build_part
from lect.storage.store import write_component
from lect.testing.backbones import save_tiny_backbone, tiny_backbone

CONFIGS = {
    "bottleneck": {"reduction_factor": 8},
    "lora": {"r": 2},
    "full": {},
    "vocabulary": {"pieces": 40, "initialise": "random"},
}
WORDS = [one + two + three for one in ("ka", "lu", "ngo", "ti") for two in ("ru", "mba", "si") for three in "nktx"]
"""Of which a new vocabulary is made; they hold pieces that no tokenizer has."""


@dataclass
class Shop:
    """Components in a folder, on a tiny backbone in another.

    Args:
        named: a backbone's name, in place of the tiny one.
    """

    folder: Path
    family: str = "xlm-roberta"
    generates: bool = False
    named: str | None = None
    host: Host = field(default_factory=lambda: Host.load(report=lambda line: None))

    def __post_init__(self):
        if self.named:
            self.backbone_folder = Path(self.named)
            self.backbone = load_backbone(self.named, host=self.host)
        else:
            folder = self.folder / "backbone"
            self.backbone_folder = save_tiny_backbone(folder, self.family, generates=self.generates)
            self.backbone = tiny_backbone(self.family, generates=self.generates)
        self.library = Library((self.folder / "components",))

    def write(
        self,
        key,
        *,
        method="bottleneck",
        labels=(),
        kind="classification",
        config=None,
        seed=None,
        languages=("jv",),
        has_profiles=False,
        scale=0.3,
    ):
        """Write a component of random parameters, with profiles of made-up texts of its languages; its folder."""
        role, _, name = key.partition(":")
        torch.manual_seed(sum(map(ord, key)) if seed is None else seed)
        parts, entries = {}, ()
        if method:
            texts = [" ".join(random.Random(key).choices(WORDS, k=6)) for _ in range(30 * (method == "vocabulary"))]
            context = BuildContext(self.backbone, Corpus([Example(text) for text in texts]))
            parts = {method: build_part(self.host, method, CONFIGS[method], context, key)}
            entries = (PartEntry(method=method, config=CONFIGS[method]),)
        head = None
        if labels or role == "task":
            head = build_head(self.host, kind, config or {}, self.backbone, labels, key)
        with torch.no_grad():
            for module in (*parts.values(), *([head] if head else [])):
                for parameter in module.parameters():
                    parameter.add_(torch.randn_like(parameter) * scale)
        manifest = Manifest(
            name=name,
            role=role,
            languages=languages,
            licence="CC0-1.0",
            backbone=BackboneEntry.of(self.backbone).model_copy(update={"name": str(self.backbone_folder)}),
            parts=entries,
            head=HeadEntry(kind=kind, config=config or {}, labels=labels) if head else None,
        )
        component = Component(key, role, parts, head)
        made = [profile_of(language, texts_of(language, 300)) for language in languages] if has_profiles else []
        return write_component(
            self.library.folders[0] / role / name,
            manifest,
            component.tensors(),
            component.saved_tokenizer,
            render_card(manifest),
            profiles_bytes(made) if made else None,
        )

    def solo(self, stack) -> OpenStack:
        """The stack on a model of its own."""
        return open_stack(stack, self.host, self.library, str(self.backbone_folder))

    def config(self, **settings):
        """Settings of a server over it."""
        from lect_serve.settings import ServeConfig

        return ServeConfig.model_validate({"backbone": str(self.backbone_folder), "port": 0, **settings})

    def service(self, access=None, **settings):
        """A service over it, that is not started yet."""
        from lect_serve.service import Service

        return Service(self.config(**settings), self.host, self.library, access)


@contextmanager
def serving(service, send_buffer=None):
    """A block in which the service answers on a loopback address: its URL.

    Args:
        send_buffer: the bytes of each connection that the system holds for clients who do not read.
    """
    # Not above: what imports this module may be collected where the plugin is not installed.
    from lect_serve.app import make_app
    from lect_serve.running import listen, server_of

    bound = listen("127.0.0.1", 0)
    if send_buffer:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    server = server_of(service, make_app(service))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[bound])), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    try:
        wait_for(lambda: service.state != "starting")
        assert service.state == "ready", service.failure
        yield url
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()

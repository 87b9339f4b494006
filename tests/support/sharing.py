"""What tests of sharing use: small components, homes of their own, and servers that behave badly."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch
from typer.testing import CliRunner

from lect.storage.card import render_card
from lect.storage.manifest import BackboneEntry, Manifest, PartEntry
from lect.storage.store import write_component


def make_component(folder: Path, name="mad", version="1.0.0", fill=1.0, size=50_000, **values) -> Path:
    """A component on a backbone that nobody has; its weights are `size` numbers."""
    manifest = Manifest(
        **{
            "name": name,
            "version": version,
            "role": "lang",
            "languages": ("mad",),
            "licence": "CC-BY-4.0",
            "backbone": BackboneEntry(name="tiny", identity="org/tiny", fingerprint="a" * 64, hidden_size=8),
            "parts": (PartEntry(method="full"),),
            **values,
        }
    )
    tensors = {"full.weight": torch.full((size,), fill)}
    return write_component(folder / manifest.role / name, manifest, tensors, None, render_card(manifest))


@dataclass(frozen=True)
class Machine:
    """A home of its own, as another machine would have."""

    folder: Path

    @property
    def environment(self):
        return {"LECT_HOME": str(self.folder / "home"), "LECT_CACHE": str(self.folder / "cache"), "LECT_TIMEOUT": "1"}

    def lect(self, *arguments):
        """Run the command line here; the result has exit_code, stdout, stderr."""
        from lect.commands.app import app

        self.folder.mkdir(exist_ok=True)
        return CliRunner(env=self.environment).invoke(app, list(map(str, arguments)))

    def start(self, *arguments, **options):
        """Run the command line in a process of its own."""
        self.folder.mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "lect", *map(str, arguments)],
            env={**os.environ, **self.environment, "LECT_TIMEOUT": "20"},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def components(self):
        """What is there, as a stack would find it."""
        return sorted(
            path.name for path in (self.folder / "home/components/lang").glob("*") if not path.name.startswith(".")
        )

    @property
    def unfinished(self):
        """The files that are not whole."""
        return sorted((self.folder / "cache/blobs").rglob("*.partial"))


@dataclass
class Server:
    """A static file server on loopback that can be told to misbehave for paths that end in a text.

    Args:
        faults: what happens to a path, by its end: a function of handler and content that answers.
        asked: how often each path was asked for.
    """

    folder: Path
    faults: dict = field(default_factory=dict)
    asked: Counter = field(default_factory=Counter)
    headers: list = field(default_factory=list)
    url: str = ""

    def answer(self, handler):
        path = handler.path.lstrip("/")
        self.asked[path] += 1
        self.headers.append((path, dict(handler.headers)))
        file = self.folder / path
        for end, fault in self.faults.items():
            if path.endswith(end):
                fault(handler, file.read_bytes() if file.is_file() else b"")
                return
        if not file.is_file():
            handler.send_error(404)
            return
        send(handler, file.read_bytes())


@contextmanager
def serving(folder: Path):
    server = Server(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def log_message(self, *_):
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            pass

    listening = Quiet(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listening.server_port}/"
    threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()


def send(handler, content, length=None, start=0):
    """A whole answer, or the rest from `start`."""
    asked = handler.headers.get("Range")
    if asked and not start:
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    handler.send_header("Content-Length", str(len(content) - start if length is None else length))
    handler.send_header("ETag", f'"{hash(content)}"')
    handler.end_headers()
    handler.wfile.write(content[start:])


def breaks_off(handler, content):
    """The connection ends in the middle of the content."""
    half = len(content) // 2
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[:half])
    handler.wfile.flush()
    handler.close_connection = True
    handler.connection.shutdown(2)


def dripping(handler, content):
    """A byte now and then: never silent for long enough to look dead."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    for index in range(200):
        handler.wfile.write(content[index : index + 1])
        handler.wfile.flush()
        time.sleep(0.1)


def dripping_headers(handler, content):
    """Headers that come a letter at a time and never end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(200):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.1)


def redirecting(target):
    """A redirection to a place."""

    def fault(handler, content):
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return fault


def changed(change):
    """The content, as a function changes it."""
    return lambda handler, content: send(handler, change(content))

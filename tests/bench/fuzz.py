"""Broken manifests, registries, archives and safetensors headers by the hundred thousand.

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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from fuzzing import (
    MANIFEST,
    REGISTRY,
    an_archive,
    mutated,
    try_archive,
    try_manifest,
    try_registry,
    try_weights,
    weights_of,
)

WEIGHTS = weights_of(
    {
        "__metadata__": {"lect": "{}"},
        "full.a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "full.b": {"dtype": "I64", "shape": [1], "data_offsets": [24, 32]},
    },
    bytes(32),
)


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
        folder = Path(name)
        kinds = {
            "manifest": (MANIFEST.encode(), try_manifest),
            "registry": (REGISTRY.encode(), try_registry),
            "weights": (WEIGHTS, lambda content: try_weights(content, folder)),
            "archive": (an_archive(folder), lambda content: try_archive(content, folder)),
        }
        for number in range(start, end):
            generator = random.Random(number)
            kind = list(kinds)[number % len(kinds)]
            seed, attempt = kinds[kind]
            signal.alarm(asked.limit)
            try:
                refused = attempt(mutated(seed, generator))
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

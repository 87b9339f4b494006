"""How long one prediction takes from nothing, beside `transformers` alone: both in processes of their own.

    python tests/bench/cold_start.py [--repeat 5] [--lect PATH ...] [--json FILE]

`lect predict` of one text through a language's part and a task's, both bottlenecks, on e5-small with a warm cache; and
a program that imports transformers, reads the same model and tokenizer from the same folder, and runs one text. The two
take turns. Wall-clock time hangs on what else the machine does; the processor's time less so, and least the minimum.
`--lect` names further commands to compare, such as that of another checkout. Takes about 20 s a repeat.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from figures import machine

TORCH = "import torch"
PEER = """
import sys
import transformers
from transformers import AutoModel, AutoTokenizer
import torch
model = AutoModel.from_pretrained(sys.argv[1]).eval()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
with torch.no_grad():
    print(model(**tokenizer(sys.argv[2], return_tensors="pt")).last_hidden_state.mean(1)[0, :3])
"""
TEXT = "aku seneng banget"
STACK = "lang:jav + task:mood"
SHARED = """
[backbone]
name = "e5-small"
[[parts]]
method = "bottleneck"
reduction_factor = 16
[training]
epochs = 1
"""
LANGUAGE = (
    """
[component]
name = "jav"
role = "lang"
languages = ["jav"]
[objective]
name = "alignment"
[data.train]
reader = "csv"
path = "pairs.csv"
translation = "translation"
"""
    + SHARED
)
TASK = (
    """
[component]
name = "mood"
role = "task"
languages = ["en"]
[head]
kind = "classification"
[objective]
name = "supervised"
[data.train]
reader = "csv"
path = "rows.csv"
label = "label"
"""
    + SHARED
)


@dataclass
class Figures:
    """The seconds that each run of one command took."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--lect", nargs="*", default=[])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    own = str(Path(sys.executable).with_name("lect"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = prepare(folder, own)
        backbone = backbone_folder(environment)
        commands = {
            "import torch": [sys.executable, "-c", TORCH],
            "transformers: model, tokenizer, one text": [sys.executable, "-c", PEER, backbone, TEXT],
            **{f"`{lect} predict`": [lect, "predict", TEXT, "-s", STACK] for lect in ["lect", *asked.lect]},
        }
        commands["`lect predict`"][0] = own
        found = {what: Figures() for what in commands}
        for turn in range(asked.repeat + 1):
            for what, command in commands.items():
                wall, processor = run(command, folder, environment)
                # The first turn fills caches.
                if turn:
                    found[what].wall.append(wall)
                    found[what].processor.append(processor)
    print(f"{machine()}, {asked.repeat} runs of each in turns\n")
    print("| | wall, median | wall, least | processor, median | processor, least |\n|---|---|---|---|---|")
    for what, figures in found.items():
        cells = [f(values) for values in (figures.wall, figures.processor) for f in (statistics.median, min)]
        print(f"| {what} | {' | '.join(f'{cell:.2f} s' for cell in cells)} |")
    if asked.json:
        asked.json.write_text(json.dumps({what: asdict(figures) for what, figures in found.items()}, indent=2))


def prepare(folder: Path, lect: str) -> dict[str, str]:
    """Two small components, and the environment that everything runs in."""
    environment = {**os.environ, "LECT_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"}
    # As it is for users: Python keeps what it has compiled.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    pairs = "\n".join(f"kucing {number},cat {number}" for number in range(16))
    rows = "\n".join(f"{word} {number},{word}" for number in range(8) for word in ("good", "bad"))
    (folder / "pairs.csv").write_text(f"text,translation\n{pairs}\n")
    (folder / "rows.csv").write_text(f"text,label\n{rows}\n")
    for name, recipe in (("language.toml", LANGUAGE), ("task.toml", TASK)):
        (folder / name).write_text(recipe)
        subprocess.run([lect, "train", name], cwd=folder, env=environment, check=True, capture_output=True)
    return environment


def backbone_folder(environment: dict[str, str]) -> str:
    """Where e5-small lies, as transformers reads it."""
    code = "from lect.cache import cache_folder; print(cache_folder() / 'backbones' / 'e5-small')"
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def run(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """The seconds that a command takes, by the clock and of the processor."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()

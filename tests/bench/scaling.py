"""How the cost of training grows: tokens/s and memory against length, corpus, languages in a mix, and processes.

Each cell is a run of its own by the command line, on texts made for it; prints Markdown tables::

    python tests/bench/scaling.py                       # e5-small, and a tiny backbone where only the data grows
    python tests/bench/scaling.py --quick               # the same on small sizes: does it run?

Tokens are tokens without padding, of the steps after the first two. Memory is what the (main) process holds at most at
the end of a step; "anonymous" is what of it no file could give back: mapped files count to the first as far as they
were read, and leave when others need the space. Masked language modelling where it is installed, else a classifier.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lect import ObjectiveSpec

WORDS = ["ka", "ben", "toli", "sura", "mane", "opi", "dela", "ro", "wesi", "ngu", "lati", "hora", "ju", "pa", "zemi"]
LEARNS = {
    "masked-lm": 'role = "lang"\nlanguages = ["en"]\n',
    "supervised": 'role = "task"\nlanguages = ["en"]\n\n[head]\nkind = "classification"\n',
}


@dataclass(frozen=True)
class Cell:
    """What one run measures.

    Args:
        rows, words: of each language's corpus.
        length: texts are cut to so many tokens.
    """

    backbone: str
    rows: int
    words: int
    length: int
    tokens: int
    steps: int
    languages: int = 1
    processes: int = 1


@dataclass(frozen=True)
class Measured:
    """What a run took: tokens a second, memory in GB, seconds before its first step."""

    rate: float
    memory: float
    anonymous: float
    before: float


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes on a tiny backbone")
    parser.add_argument("--only", choices=["length", "corpus", "languages", "processes"], action="append")
    arguments = parser.parse_args()
    quick, objective = arguments.quick, "masked-lm" if _has("masked-lm") else "supervised"
    real, steps, tokens = ("tiny", 5, 512) if quick else ("e5-small", 12, 4096)
    tables = {
        "length": (
            "tokens a row",
            [(length, Cell(real, 400, length, length, tokens, steps)) for length in ((16, 64) if quick else LENGTHS)],
        ),
        "corpus": (
            "tokens in the corpus",
            [
                (f"{size:,}", Cell("tiny", size // 20, 14, 64, 2048, steps))
                for size in ((10**4, 10**5) if quick else CORPORA)
            ],
        ),
        "languages": (
            "languages in the mix",
            [(n, Cell(real, 200, 24, 64, tokens, steps, languages=n)) for n in ((1, 2) if quick else (1, 2, 4, 8, 16))],
        ),
        "processes": (
            "processes",
            [(n, Cell(real, 400, 48, 128, tokens, steps, processes=n)) for n in (1, 2)],
        ),
    }
    for name, (column, cells) in tables.items():
        if arguments.only and name not in arguments.only:
            continue
        print(f"\n| {column} | tokens/s | memory, GB | of it anonymous | seconds to the first step |")
        print("| ---: | ---: | ---: | ---: | ---: |", flush=True)
        for label, cell in cells:
            found = measure(cell, objective)
            print(
                f"| {label} | {found.rate:,.0f} | {found.memory:.2f} | {found.anonymous:.2f} | {found.before:.1f} |",
                flush=True,
            )
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    print(f"\n{objective} on {real}; {platform.machine()}, {os.cpu_count()} cores, OMP_NUM_THREADS {threads}.")


LENGTHS = (16, 32, 64, 128, 256, 512)
CORPORA = (10**4, 10**5, 10**6, 10**7)


def measure(cell: Cell, objective: str) -> Measured:
    """Run a cell in a folder of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        recipe = write_recipe(folder, cell, objective)
        command = ["train"] if cell.processes == 1 else ["launch", "--processes", str(cell.processes)]
        environment = {**os.environ, "LECT_HOME": str(folder / "home")}
        if cell.backbone == "tiny":
            environment["LECT_CACHE"] = str(folder / "cache")
        if cell.processes > 1:
            environment.pop("OMP_NUM_THREADS", None)
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "lect", *command, recipe, "--set", "output.folder=run"],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        log, anonymous, first = folder / "run" / "metrics.jsonl", 0.0, 0.0
        while process.poll() is None:
            anonymous = max(anonymous, anonymous_memory(process.pid)) if cell.processes == 1 else float("nan")
            if not first and log.is_file() and log.stat().st_size:
                first = time.monotonic() - started
            time.sleep(0.02)
        if process.returncode:
            raise SystemExit(process.stderr.read() if process.stderr else "a run failed")
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        steps = [line for line in lines if "loss" in line]
        seconds = steps[-1]["seconds"] - steps[1]["seconds"]
        tokens = sum(line["pieces"] for line in steps[2:])
        return Measured(tokens / seconds, max(line["memory"] for line in steps), anonymous, first)


def anonymous_memory(pid: int) -> float:
    """What a process holds that is no mapped file, in GB."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1e6
    except OSError:
        pass
    return 0.0


def write_recipe(folder: Path, cell: Cell, objective: str) -> str:
    """Write data and recipes; the name of the one to run."""
    name = "e5-small"
    if cell.backbone == "tiny":
        from lect.testing.backbones import save_tiny_backbone

        save_tiny_backbone(folder / "backbone", "xlm-roberta", seed=0)
        name = "backbone"
    run = (
        f"steps = {cell.steps}\nbatch_tokens = {cell.tokens}\nmax_length = {cell.length}\nlog_every = 1\n"
        'precision = "float32"\ncheckpoint_minutes = 0.0\n'
    )
    label = 'label = "label"\n' if objective == "supervised" else ""
    for number in range(cell.languages):
        with (folder / f"l{number}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(rows(cell, number))
        (folder / f"l{number}.toml").write_text(
            f'[component]\nname = "l{number}"\n{LEARNS[objective]}\n[backbone]\nname = "{name}"\n\n'
            f'[[parts]]\nmethod = "bottleneck"\n\n[objective]\nname = "{objective}"\n\n'
            f'[data.train]\nreader = "jsonl"\npath = "l{number}.jsonl"\n'
            f"{label}\n[training]\n{run}",
            encoding="utf-8",
        )
    if cell.languages == 1:
        return "l0.toml"
    mixed = "".join(f'[[train.mix]]\nrecipe = "l{number}.toml"\n\n' for number in range(cell.languages))
    (folder / "mixed.toml").write_text(f"{mixed}[training]\n{run}", encoding="utf-8")
    return "mixed.toml"


def rows(cell: Cell, seed: int) -> Iterator[str]:
    """Lines of JSON: texts of random words, labelled by the first."""
    generator = random.Random(seed)
    for _ in range(cell.rows):
        words: Sequence[str] = generator.choices(WORDS, k=cell.words)
        yield json.dumps({"text": " ".join(words), "label": "early" if words[0] < "m" else "late"}) + "\n"


def _has(objective: str) -> bool:
    from lect.host import Host

    return bool(Host.load(report=lambda line: None).claims(ObjectiveSpec, objective))


if __name__ == "__main__":
    main()

"""Streams: rows a second and resident memory of `lect predict` and `lect embed` over files of many lines.

    python tests/bench/streams.py                  # a tiny backbone of random weights: 1,000, 100,000, 1,000,000 lines
    python tests/bench/streams.py --backbone e5    # e5-small: 1,000 and 10,000 lines, beside sentence-transformers

Each command is a process of its own, as a user starts it. Its memory is looked at four times a second: what it holds
when a tenth of the rows is answered, and the most it ever held; flat memory is where both are the same. Seconds are the
processor's (one thread), from the first answers on. The peer encodes the same lines in this process, taking turns, with
a list of all of them and of all vectors in memory, as it is used. On two quiet cores the first command takes some ten
minutes, nearly all of them for the million lines (`--sizes 1000 100000`: one); the second five.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parent)]

from figures import machine  # noqa: E402

WORDS = [
    "the",
    "a",
    "old",
    "new",
    "house",
    "day",
    "year",
    "city",
    "on",
    "way",
    "and",
    "bright",
    "grim",
    "river",
    "market",
]
COMMAND = [sys.executable, "-c", "from lect.commands.app import main; main()"]


def write_lines(path: Path, count: int) -> Path:
    """Lines of three to ten words."""
    generator = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(count):
            file.write(" ".join(generator.choices(WORDS, k=generator.randint(3, 10))) + "\n")
    return path


def run(folder: Path, arguments: list[str], rows: int) -> dict[str, float]:
    """One command: rows a second of the processor, seconds until first answers are written, and memory in MB."""
    import psutil

    output = next(Path(word) for word in arguments if word.endswith((".jsonl", ".npy")))
    started, first, held, most = time.monotonic(), 0.0, 0.0, 0.0
    begun, earlier = 0.0, 0
    process = subprocess.Popen([*COMMAND, *arguments], cwd=folder, stderr=subprocess.PIPE, text=True)
    watched, journal = psutil.Process(process.pid), folder / f"{output}.unfinished/journal.jsonl"
    seconds = 0.0
    while process.poll() is None:
        try:
            most = max(most, watched.memory_info().rss / 1e6)
            seconds = sum(watched.cpu_times()[:2])
            done = json.loads(journal.read_text("utf-8").splitlines()[-1])["rows"] if journal.exists() else 0
        except (psutil.Error, OSError, ValueError, IndexError):
            done = 0
        if done and not first:
            first, begun, earlier = time.monotonic() - started, seconds, done
        if not held and done >= rows / 10:
            held = watched.memory_info().rss / 1e6 if watched.is_running() else most
        time.sleep(0.25)
    if process.returncode:
        sys.exit(process.stderr.read())
    rate = (rows - earlier) / (seconds - begun) if seconds > begun else float("nan")
    return {"rate": rate, "wall": time.monotonic() - started, "first": first, "held": held or most, "most": most}


def bench(folder: Path, name: str, command: list[str], ending: str, sizes: list[int]) -> None:
    """One command over files of several sizes."""
    print(f"{name}:", flush=True)
    for size in sizes:
        lines = write_lines(folder / f"{size}.txt", size)
        found = run(folder, [*command, "-d", lines.name, "--output", f"out-{size}{ending}"], size)
        print(
            f"  {size:>9,} lines: {found['rate']:>8,.0f} rows/s of one core; first answers after {found['first']:.1f} "
            f"of {found['wall']:.1f} s; {found['held']:,.0f} MB at a tenth, {found['most']:,.0f} MB at most",
            flush=True,
        )


def bench_peer(folder: Path, sizes: list[int]) -> None:
    """sentence-transformers on the same model and lines, and the engine itself beside it, in turns."""
    import torch

    import lect

    try:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    except ImportError:
        print("sentence-transformers is not installed: pip install 'lect[interop]'")
        return
    torch.set_num_threads(1)
    with lect.load(backbone="e5-small") as model, tempfile.TemporaryDirectory() as place:
        model.backbone.model.save_pretrained(place)
        model.backbone.tokenizer.save_pretrained(place)
        word = Transformer(place)
        peer = SentenceTransformer(modules=[word, Pooling(word.get_embedding_dimension())], device="cpu")
        for size in sizes:
            lines = (folder / f"{size}.txt").read_text("utf-8").splitlines()
            ratios, rates = [], []
            for _ in range(3):
                begun = time.process_time()
                peer.encode(["query: " + line for line in lines], batch_size=32)
                theirs = time.process_time() - begun
                begun = time.process_time()
                for _ in model.embed(iter(lines)):
                    pass
                ours = time.process_time() - begun
                ratios.append(theirs / ours)
                rates.append((size / ours, size / theirs))
            ours, theirs = max(rates)
            print(
                f"  {size:>9,} lines: lect {ours:,.0f} rows/s, encode {theirs:,.0f}: {statistics.median(ratios):.2f} x"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", choices=("tiny", "e5"), default="tiny")
    parser.add_argument("--sizes", type=int, nargs="+")
    options = parser.parse_args()
    print(f"{machine()}, one thread")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.backbone == "tiny":
            from stream_library import fill_library

            fill_library(folder)
            sizes = options.sizes or [1_000, 100_000, 1_000_000]
            bench(folder, "predict", ["predict", "-s", "lang:a + task:mood"], ".jsonl", sizes)
            bench(folder, "embed", ["embed", "-s", "lang:a"], ".npy", sizes[:-1])
        else:
            sizes = options.sizes or [1_000, 10_000]
            bench(folder, "embed", ["embed", "--backbone", "e5-small"], ".npy", sizes)
            bench_peer(folder, sizes)


if __name__ == "__main__":
    main()

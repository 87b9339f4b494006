"""Initialisers of new pieces side by side, for N'Ko and Bambara.

Each run learns nothing but the new embeddings, by alignment, on pairs of NLLB Seed, and looks for the English sentence
among those of FLORES devtest before and after. Prints the table as Markdown::

    python tests/bench/initialisers.py --folder initialisers-bench

What lies in the folder already is not run again, so a run that was cut short goes on. About a minute a run on two
cores, and 42 runs; `--steps`, `--rows` and `--initialisers` make it shorter.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

DATA = Path(__file__).parents[2].parent / "shared/data"
LANGUAGES = {"nqo_Nkoo": "N'Ko", "bam_Latn": "Bambara"}
INITIALISERS = ("random", "mean", "overlap", "factorised", "dictionary", "focus", "translations")


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("initialisers-bench"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--languages", nargs="+", default=list(LANGUAGES), choices=list(LANGUAGES))
    parser.add_argument("--initialisers", nargs="+", default=list(INITIALISERS))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rows", type=int, default=3200, help="the most pairs to learn from")
    parser.add_argument("--test-rows", type=int, default=1012)
    parser.add_argument("--pieces", type=int, default=4000)
    parser.add_argument("--backbone", default="e5-small")
    options = parser.parse_args()
    found = {
        (language, name, seed): run(options, language, name, seed)
        for seed in options.seeds
        for language in options.languages
        for name in options.initialisers
    }
    print(table(found, options))


def run(options: argparse.Namespace, language: str, name: str, seed: int) -> dict[str, float]:
    """One initialiser's result, from its file where there is one."""
    size = f"{options.steps}-{options.rows}-{options.test_rows}-{options.pieces}"
    file = options.folder / f"{language}-{name}-{seed}-{size}.json"
    if not file.exists():
        arguments = [
            "vocabulary", "compare", "--json", "-i", name, "--seed", str(seed), "--steps", str(options.steps),
            "--data", str(pairs(options.folder, f"nllb-seed/{language}/train.txt", "nllb-seed/eng_Latn/train.txt")),
            "--test", str(pairs(options.folder, f"flores200/{language}/devtest.txt", "flores200/eng_Latn/devtest.txt")),
            "--option", "translation=english", "--rows", str(options.rows), "--test-rows", str(options.test_rows),
            "--pieces", str(options.pieces), "--backbone", options.backbone,
        ]  # fmt: skip
        print(f"$ lect {shlex.join(arguments)}", file=sys.stderr, flush=True)
        done = subprocess.run([sys.executable, "-m", "lect", *arguments], check=True, stdout=subprocess.PIPE, text=True)
        aside = file.with_suffix(".part")
        aside.write_text(done.stdout)
        aside.rename(file)
    (row,) = json.loads(file.read_text())
    return dict(row)


def pairs(folder: Path, text: str, translation: str) -> Path:
    """A table of two line-aligned files, without the pairs of which one side is empty."""
    file = folder / f"{Path(text).parent.name}-{Path(text).stem}.tsv"
    if not file.exists():
        sides = [(DATA / path).read_text(encoding="utf-8").splitlines() for path in (text, translation)]
        rows = [[" ".join(side.split()) for side in row] for row in zip(*sides, strict=True)]
        lines = "".join(f"{own}\t{other}\n" for own, other in rows if own and other)
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(f"text\tenglish\n{lines}", encoding="utf-8")
    return file


def table(found: dict[tuple[str, str, int], dict[str, float]], options: argparse.Namespace) -> str:
    """The table, mean ± standard deviation over the seeds."""
    heads = [f"{LANGUAGES[language]}, {when}" for language in options.languages for when in ("before", "after")]
    lines = [
        f"| recall@1 among {options.test_rows:,}, %, {len(options.seeds)} seeds | {' | '.join(heads)} |",
        "| --- " + "| ---: " * len(heads) + "|",
    ]
    for name in options.initialisers:
        cells = []
        for language in options.languages:
            for when in ("before", "after"):
                values = [100 * found[language, name, seed][when] for seed in options.seeds]
                spread = statistics.stdev(values) if len(values) > 1 else 0.0
                cells.append(f"{statistics.mean(values):.1f} ± {spread:.1f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    said = f"{options.steps} steps of 32 pairs, {options.pieces:,} pieces, {options.backbone}"
    return "\n".join([*lines, "", f"{said}; {platform.processor() or platform.machine()}, {platform.python_version()}"])


if __name__ == "__main__":
    main()

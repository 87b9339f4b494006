"""The NusaX table: sentiment learned in Indonesian, tested on four languages that have no labels.

Runs the recipes of examples/nusax through the command line, three seeds each, and prints the table as Markdown::

    python tests/bench/nusax.py --folder nusax-bench

What lies in the folder already is not run again, so a run that was cut short goes on. About an hour on two cores.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "examples/nusax"
DATA = ROOT.parent / "shared/data"
LANGUAGES = {"ace": "acehnese", "min": "minangkabau", "sun": "sundanese", "jav": "javanese"}
NAMES = {"ace": "Acehnese", "min": "Minangkabau", "sun": "Sundanese", "jav": "Javanese"}
ROWS = {
    "full fine-tuning": "task:sentiment-full",
    "LoRA r16, all linear layers": "task:sentiment-lora",
    "task bottleneck": "task:sentiment",
    "language + task bottleneck": "lang:{language} + task:sentiment",
}
TASKS = {"sentiment": "task.toml", "sentiment-lora": "task-lora.toml", "sentiment-full": "task-full.toml"}


def main() -> None:
    """Train and score what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("nusax-bench"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    refuse_overlap()
    scores = {
        (row, language, seed): score(options.folder, seed, stack.format(language=language), language)
        for seed in options.seeds
        for row, stack in train_all(options.folder, seed).items()
        for language in LANGUAGES
    }
    print(table(scores, options.folder, options.seeds))


def train_all(folder: Path, seed: int) -> dict[str, str]:
    """Train every component of one seed; returns the rows of the table with their stacks."""
    for language, column in LANGUAGES.items():
        changes = [f"component.name={language}", f'component.languages=["{language}"]', f"data.train.text={column}"]
        train(folder, seed, "language.toml", f"lang/{language}", changes)
    for name, recipe in TASKS.items():
        train(folder, seed, recipe, f"task/{name}", [])
    return ROWS


def train(folder: Path, seed: int, recipe: str, place: str, changes: list[str]) -> None:
    """Run `lect train`, unless its component is there."""
    components = folder / f"seed{seed}"
    if (components / place / "component.toml").exists():
        return
    runs = folder / "runs" / f"seed{seed}" / place.replace("/", "-")
    changes = [*changes, f"training.seed={seed}", f"output.folder={runs.resolve()}"]
    sets = [part for change in changes for part in ("--set", change)]
    lect("train", str(RECIPES / recipe), "--components", str(components), *sets)


def score(folder: Path, seed: int, stack: str, language: str) -> float:
    """The macro-F1 of a stack on the language's test set."""
    name = stack.replace(":", "-").replace(" ", "")
    report = folder / "reports" / f"seed{seed}-{language}-{name}.json"
    if not report.exists():
        report.parent.mkdir(parents=True, exist_ok=True)
        test = DATA / f"nusax-senti/{language}/test.csv"
        components = str(folder / f"seed{seed}")
        lect("eval", "-s", stack, "-d", str(test), "-o", "label=label", "--components", components,
             "--output", str(report))  # fmt: skip
    scores = json.loads(report.read_text())["variants"][0]["scores"]
    return float(next(entry["value"] for entry in scores if entry["name"] == "macro_f1"))


def lect(*arguments: str) -> None:
    """Run the command line, saying what is run."""
    print(f"$ lect {shlex.join(arguments)}", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "lect", *arguments], check=True, stdout=subprocess.DEVNULL)


def table(scores: dict[tuple[str, str, int], float], folder: Path, seeds: list[int]) -> str:
    """The table, mean ± standard deviation over the seeds."""
    lines = [
        f"| macro-F1, mean ± deviation of {len(seeds)} seeds | trained | {' | '.join(NAMES.values())} | mean |",
        "| --- | ---: " + "| ---: " * (len(LANGUAGES) + 1) + "|",
    ]
    for row, stack in ROWS.items():
        cells = []
        for language in LANGUAGES:
            values = [100 * scores[row, language, seed] for seed in seeds]
            cells.append(f"{statistics.mean(values):.1f} ± {statistics.stdev(values) if len(values) > 1 else 0:.1f}")
        mean = statistics.mean(100 * scores[row, language, seed] for language in LANGUAGES for seed in seeds)
        lines.append(f"| {row} | {weights(folder, seeds[0], stack)} | {' | '.join(cells)} | {mean:.1f} |")
    return "\n".join([*lines, "", f"{platform.processor() or platform.machine()}, {platform.python_version()}"])


def weights(folder: Path, seed: int, stack: str) -> str:
    """The trained parameters of a stack."""
    from safetensors import safe_open

    count = 0
    for reference in stack.format(language="jav").split(" + "):
        with safe_open(folder / f"seed{seed}" / reference.replace(":", "/") / "weights.safetensors", "pt") as file:
            for name in file.keys():  # noqa: SIM118 - this is no dictionary
                size = 1
                for length in file.get_slice(name).get_shape():
                    size *= length
                count += size
    return f"{count / 1e6:.2f} M"


def refuse_overlap() -> None:
    """Stop where a test sentence, in any language, is among the training ones."""
    trained = set()
    for part in ("train", "valid"):
        with (DATA / f"nusax-mt/parallel/{part}.csv").open(encoding="utf-8", newline="") as file:
            trained |= {
                row[column].strip() for row in csv.DictReader(file) for column in ("indonesian", *LANGUAGES.values())
            }
    with (DATA / "nusax-senti/ind/train.csv").open(encoding="utf-8", newline="") as file:
        trained |= {row["text"].strip() for row in csv.DictReader(file)}
    for language in LANGUAGES:
        with (DATA / f"nusax-senti/{language}/test.csv").open(encoding="utf-8", newline="") as file:
            tested = {row["text"].strip() for row in csv.DictReader(file)}
        if shared := tested & trained:
            sys.exit(f"{len(shared)} test sentences of {language} are among the training ones, such as {min(shared)!r}")


if __name__ == "__main__":
    main()

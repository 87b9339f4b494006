"""Four languages trained in one mixed run against each trained alone: the same result, within noise?

Runs examples/nusax/mix.toml and language.toml through the command line, three seeds each, and scores every language
part by finding the Indonesian translation of each of the 400 test sentences among all of them::

    python tests/bench/mixed_training.py --folder nusax-mixed --epochs 2

What lies in the folder already is not run again. At the recipes' own 8 epochs about an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from nusax import DATA, LANGUAGES, NAMES, RECIPES, refuse_overlap

TEST = DATA / "nusax-mt/parallel/test.csv"
METRICS = ("recall@1", "mrr")


def main() -> None:
    """Train and score what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("nusax-mixed"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--max-length", type=int, default=512, help="longer sentences are cut, for quick runs")
    options = parser.parse_args()
    refuse_overlap()
    # Scores are taken once, at the end: nothing is chosen by them.
    common = [f"training.epochs={options.epochs}", f"training.max_length={options.max_length}"]
    common.append("training.evaluate_every=1000000")
    alone = [train_alone(options.folder, seed, common) for seed in options.seeds]
    mixed = [train_mixed(options.folder, seed, common) for seed in options.seeds]
    for metric in METRICS:
        print(table(metric, {"each alone": alone, "four in one run": mixed}))


def train_alone(folder: Path, seed: int, common: list[str]) -> dict[str, dict[str, float]]:
    """A run for each language; the scores of each."""
    scores = {}
    for language, column in LANGUAGES.items():
        changes = [*changes_of(language, column), f"training.seed={seed}", *common]
        scores[language] = trained(folder / f"alone-{language}-{seed}", "language.toml", changes)[f"lang:{language}"]
    return scores


def train_mixed(folder: Path, seed: int, common: list[str]) -> dict[str, dict[str, float]]:
    """One run for all languages; the scores of each."""
    sets = [
        f"train.mix.{index}.set={json.dumps(changes_of(*language))}" for index, language in enumerate(LANGUAGES.items())
    ]
    scores = trained(folder / f"mixed-{seed}", "mix.toml", [*sets, f"training.seed={seed}", *common])
    return {language: scores[f"lang:{language}"] for language in LANGUAGES}


def changes_of(language: str, column: str) -> list[str]:
    """What a language's recipe differs in."""
    source = f'{{reader = "csv", path = "{TEST}", text = "{column}", translation = "indonesian"}}'
    return [f"component.name={language}", f"data.train.text={column}", f"data.validation={source}"]


def trained(folder: Path, recipe: str, changes: list[str]) -> dict[str, dict[str, float]]:
    """The validation scores of each component of a run, which is made unless it was."""
    kept = folder / "scores.json"
    if not kept.exists():
        sets = [part for change in (*changes, f"output.folder={folder.resolve()}/run") for part in ("--set", change)]
        command = [sys.executable, "-m", "lect", "train", str(RECIPES / recipe), "--components", str(folder), "--json"]
        print(f"{folder.name} …", file=sys.stderr, flush=True)
        said = json.loads(subprocess.run([*command, *sets], check=True, stdout=subprocess.PIPE).stdout)
        records = said if isinstance(said, list) else [said]
        kept.write_text(json.dumps({each["component"]: each["validation"] for each in records}))
    found: dict[str, dict[str, float]] = json.loads(kept.read_text())
    return found


def table(metric: str, rows: dict[str, list[dict[str, dict[str, float]]]]) -> str:
    """Mean ± standard deviation over the seeds, and of the differences seed by seed."""
    lines = [f"| {metric} | {' | '.join(NAMES.values())} |", "| --- |" + " ---: |" * len(NAMES)]
    values = {
        row: {language: [100 * each[language][metric] for each in found] for language in LANGUAGES}
        for row, found in rows.items()
    }
    alone, mixed = values.values()
    values["difference, seed by seed"] = {
        language: [after - before for before, after in zip(alone[language], mixed[language], strict=True)]
        for language in LANGUAGES
    }
    for row, found in values.items():
        lines.append(f"| {row} | {' | '.join(spread(found[language]) for language in LANGUAGES)} |")
    return "\n".join([*lines, ""])


def spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values) if len(values) > 1 else 0:.1f}"


if __name__ == "__main__":
    main()

"""Four languages trained in one mixed run against each trained alone: the same result, within noise?

Runs examples/nusax/mix.toml and language.toml through the command line, three seeds each, scores every language part
under the same Indonesian sentiment task, and prints the table as Markdown::

    python tests/bench/mixed_training.py --folder nusax-bench

Takes what `nusax.py` left in the same folder. What lies there already is not run again.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from pathlib import Path

from nusax import LANGUAGES, NAMES, RECIPES, lect, refuse_overlap, score, train

STACK = "lang:{language} + task:sentiment"


def main() -> None:
    """Train and score what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("nusax-bench"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    refuse_overlap()
    mixed = options.folder / "mixed"
    rows: dict[str, dict[str, list[float]]] = {"each alone": {}, "four in one run": {}}
    for seed in options.seeds:
        train_alone(options.folder, seed)
        train_mixed(options.folder, mixed, seed)
        for language in LANGUAGES:
            for row, folder in zip(rows, (options.folder, mixed), strict=True):
                found = score(folder, seed, STACK.format(language=language), language)
                rows[row].setdefault(language, []).append(100 * found)
    print(table(rows))


def train_alone(folder: Path, seed: int) -> None:
    """A run for each language, and one for the task."""
    for language, column in LANGUAGES.items():
        changes = [f"component.name={language}", f'component.languages=["{language}"]', f"data.train.text={column}"]
        train(folder, seed, "language.toml", f"lang/{language}", changes)
    train(folder, seed, "task.toml", "task/sentiment", [])


def train_mixed(alone: Path, folder: Path, seed: int) -> None:
    """One run for all languages; the task is the same as theirs alone."""
    components = folder / f"seed{seed}"
    task = components / "task/sentiment"
    if not task.exists():
        shutil.copytree(alone / f"seed{seed}/task/sentiment", task)
    if all((components / "lang" / language / "component.toml").exists() for language in LANGUAGES):
        return
    runs = (folder / "runs" / f"seed{seed}").resolve()
    changes = [f"training.seed={seed}", f"output.folder={runs}"]
    sets = [part for change in changes for part in ("--set", change)]
    lect("train", str(RECIPES / "mix.toml"), "--components", str(components), *sets)


def table(rows: dict[str, dict[str, list[float]]]) -> str:
    """Mean ± standard deviation over the seeds, and the difference of each seed's pair."""
    lines = [f"| macro-F1 | {' | '.join(NAMES.values())} |", "| --- |" + " ---: |" * len(NAMES)]
    for row, found in rows.items():
        lines.append(f"| {row} | {' | '.join(spread(found[language]) for language in LANGUAGES)} |")
    alone, together = rows.values()
    differences = {
        language: [after - before for before, after in zip(alone[language], together[language], strict=True)]
        for language in LANGUAGES
    }
    lines.append(
        f"| difference, seed by seed | {' | '.join(spread(differences[language]) for language in LANGUAGES)} |"
    )
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values) if len(values) > 1 else 0:.1f}"


if __name__ == "__main__":
    main()

"""Translation with SmolLM2-135M, before and after LoRA on 500 sentences of NusaX: chrF++ and BLEU on its 400 test ones.

Runs examples/translation/task.toml through the command line for each direction and seed, and prints the table as
Markdown::

    python tests/bench/translation.py --folder translation-bench

What lies in the folder already is not run again. A direction and seed take some minutes on a GPU, and about an hour on
one CPU core; ``--rows 8 --set training.steps=2 --set training.epochs=`` shows that it runs.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "examples/translation/task.toml"
TEST = ROOT.parent / "shared/data/nusax-mt/parallel/test.csv"
COLUMNS = {"en": "english", "id": "indonesian", "min": "minangkabau", "jv": "javanese", "su": "sundanese"}
SCORES = ("chrf++", "bleu")


def main() -> None:
    """Train and score what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("translation-bench"))
    parser.add_argument("--directions", nargs="+", default=["id-en", "min-en", "en-id", "en-min"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", type=int, help="test sentences; all where absent")
    parser.add_argument("--set", action="append", default=[], help="a change of the recipe")
    options = parser.parse_args()
    reports = {
        (direction, seed): report_of(options, direction, seed)
        for direction in options.directions
        for seed in options.seeds
    }
    print(table(reports, options.directions, options.seeds))


def report_of(options: argparse.Namespace, direction: str, seed: int) -> dict:
    """The report of a direction's translator, trained and scored unless that is done."""
    source, target = direction.split("-")
    components = options.folder / f"seed{seed}"
    if not (components / "task" / direction / "component.toml").exists():
        changes = [
            f"component.name={direction}",
            f'component.languages=["{source}", "{target}"]',
            f"component.summary=Translation, {direction}, from 500 sentences of NusaX.",
            f"head.source={source}",
            f"head.target={target}",
            f"training.seed={seed}",
            f"output.folder={(options.folder / 'runs' / f'{direction}-{seed}').resolve()}",
        ]
        for place in ("data.train", "data.evaluation.0"):
            changes += [f"{place}.text={COLUMNS[source]}", f"{place}.translation={COLUMNS[target]}"]
        sets = [part for change in (*changes, *options.set) for part in ("--set", change)]
        lect("train", str(RECIPE), "--components", str(components), *sets)
    report = options.folder / "reports" / f"{direction}-{seed}-{options.rows or 'all'}.json"
    if not report.exists():
        report.parent.mkdir(parents=True, exist_ok=True)
        fields = [f"text={COLUMNS[source]}", f"translation={COLUMNS[target]}"]
        fields += [f"limit={options.rows}"] if options.rows else []
        read = [part for field in fields for part in ("-o", field)]
        lect("eval", "-s", f"task:{direction}", "-d", str(TEST), *read, "--components", str(components),
             "--output", str(report))  # fmt: skip
    found: dict = json.loads(report.read_text(encoding="utf-8"))
    return found


def lect(*arguments: str) -> None:
    """Run the command line, saying what is run."""
    print(f"$ lect {shlex.join(arguments)}", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "lect", *arguments], check=True, stdout=subprocess.DEVNULL)


def table(reports: dict[tuple[str, int], dict], directions: list[str], seeds: list[int]) -> str:
    """Both scores before and after, mean ± standard deviation over the seeds."""
    lines = [
        f"| mean ± deviation of {len(seeds)} seeds | chrF++ before | after | BLEU before | after |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for direction in directions:
        cells = []
        for score in SCORES:
            whole, bare = ([value(reports[direction, seed], place, score) for seed in seeds] for place in (0, 1))
            # Nothing of it was trained: the same for every seed.
            cells += [f"{bare[0]:.1f}", f"{statistics.mean(whole):.1f} ± {deviation(whole):.1f}"]
        lines.append(f"| {direction.replace('-', ' → ')} | {' | '.join(cells)} |")
    any_report = reports[directions[0], seeds[0]]
    signatures = [f"{name}: {told}" for name, told in any_report["signatures"].items()]
    return "\n".join([*lines, "", f"{any_report['rows']} test sentences. {'; '.join(signatures)}"])


def value(report: dict, variant: int, score: str) -> float:
    """A score of a report's variant, times 100."""
    return 100 * next(each["value"] for each in report["variants"][variant]["scores"] if each["name"] == score)


def deviation(values: list[float]) -> float:
    """The standard deviation of a sample."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


if __name__ == "__main__":
    main()

"""The quality tables: what lect's languages and tasks reach on the data sets, over several seeds.

Jobs by theme (N'Ko, NusaX, Bambara and Acehnese, every task, initialisers), in the order of their importance; each
trains recipes of examples/ with their settings, and scores stacks::

    python tests/bench/quality.py --folder quality
    python tests/bench/quality.py --folder quality --only 'nusax/*' --seeds 0
    python tests/bench/quality.py --folder quality --table

What lies in the folder already is not done again, so a run that was cut short goes on. Many hours on two cores; on a
GPU minutes, with as many processes as it has cores to feed them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from grid.job import Settings, Theme
from grid.runner import Due, Limits, Runner, results
from grid.themes import all_themes

ROOT = Path(__file__).parents[2]
SMOKE = (
    *("nko/nqo", "nko/nqo-both", "nko/topic", "nko/topic-head", "nko/topic-labelled-nqo-10"),
    *("nusax/sentiment-full", "nusax/ace-both-lexicon", "nusax/mixed", "bambara/bare-bam"),
    *("tasks/ner", "tasks/pos", "tasks/parser", "tasks/afrisenti", "tasks/qa", "tasks/choice"),
    "initialisers/focus-nqo_Nkoo",
)
"""A job of each kind."""


def main() -> None:
    """Do what is missing, and print the tables."""
    options = _options()
    themes = all_themes()
    settings = Settings(
        folder=str(options.folder.resolve()),
        data=str(options.data.resolve()),
        backbone=_backbone(options.backbone),
        quick=options.quick or options.smoke,
        threads=options.threads,
    )
    if options.table:
        print(tables_of(themes, settings))
        return
    only, seeds = (SMOKE, options.seeds[:1]) if options.smoke else (options.only, options.seeds)
    due = plan(themes, only, seeds)
    if options.list:
        from grid.estimate import steps_of

        for one in due:
            print(f"{one}, {steps_of(one.job, settings):,} steps")
        return
    failed = Runner(settings, due, Limits(options.workers, options.limit_seconds, options.last_seconds)).run()
    print(tables_of(themes, settings))
    sys.exit(1 if failed else 0)


def plan(themes: Sequence[Theme], only: Sequence[str], seeds: Sequence[int]) -> list[Due]:
    """What is to be done, in its order; with what is named, what it needs."""
    jobs = sorted((job for theme in themes for job in theme.jobs), key=lambda job: job.later)
    chosen = {job.name for job in jobs if not only or any(fnmatch(job.name, pattern) for pattern in only)}
    makers = {made: job for job in jobs for made in job.makes}
    waiting = [job for job in jobs if job.name in chosen]
    while waiting:
        needed = [makers[name] for name in waiting.pop().needs]
        waiting += [job for job in needed if job.name not in chosen]
        chosen |= {job.name for job in needed}
    return [Due(job, seed) for job in jobs if job.name in chosen for seed in seeds]


def tables_of(themes: Sequence[Theme], settings: Settings) -> str:
    """All tables, as far as there are figures."""
    from grid.tables import markdown

    return markdown(themes, results(settings))


def _backbone(named: str | None) -> str | None:
    """A folder by its whole path, since recipes are read from their own."""
    return str(Path(named).resolve()) if named and Path(named).is_dir() else named


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("quality"), help="results, components and runs lie there")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="the folder of data sets")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="PATTERN", help="jobs such as 'nko/*', and their needs"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=1, help="processes, each with the backbone loaded")
    parser.add_argument("--threads", type=int, default=1, help="of each process, on CPUs")
    parser.add_argument("--backbone", help="instead of e5-small: a name or a folder, such as a trimmed one")
    parser.add_argument("--limit-seconds", type=float, help="begin nothing after this long")
    parser.add_argument("--last-seconds", type=float, help="end what still runs after this long")
    parser.add_argument("--quick", action="store_true", help="a few rows and steps, to see that everything runs")
    parser.add_argument("--smoke", action="store_true", help="the same with one job of each kind, and one seed")
    parser.add_argument("--list", action="store_true", help="print the jobs and do nothing")
    parser.add_argument("--table", action="store_true", help="print the tables of what is there")
    return parser.parse_args()


if __name__ == "__main__":
    main()

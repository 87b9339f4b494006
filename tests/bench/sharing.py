"""What stacks share is computed once: several tasks on a text, and a matrix of languages and tasks, on e5-small.

Tasks are bottlenecks in the last three layers, languages bottlenecks in all of them, of random weights: time does not
hang on what they have learned. Several tasks on each text beside one task, with and without sharing, taking turns; the
median of the repeats, and the largest difference of a score from that of the text alone with its stack::

    python tests/bench/sharing.py
    python tests/bench/sharing.py --matrix --folder sharing-bench

The matrix has six languages' SIB-200 test rows (as many as `--rows`) and eight tasks, each over its language's part.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from unittest.mock import patch

import torch
from figures import machine
from supervised import DATA

import lect
from lect import MethodSpec
from lect.composition import sharing
from lect.composition.component import Component
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.engine.engine import Engine
from lect.host import Host
from lect.host.backbones import load_backbone
from lect.specs import BuildContext, Corpus
from lect.storage.restore import build_head

TEXT = "The new library in the old harbour opens its doors for everyone on the first Sunday of May."
LANGUAGES = ("ace_Latn", "jav_Latn", "sun_Latn", "min_Latn", "ind_Latn", "eng_Latn")
UPPER = [9, 10, 11]


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=31)
    parser.add_argument("--matrix", action="store_true")
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path("sharing-bench"))
    options = parser.parse_args()
    print(machine(), end="\n\n")
    if options.matrix:
        matrix(options.folder, options.rows)
    else:
        tasks(options.repeats)


def tasks(repeats: int) -> None:
    """One to eight tasks on one text."""
    engine = several_tasks()
    print("| tasks on one text | time, of one task's | without sharing | largest difference |")
    print("| ---: | ---: | ---: | ---: |")
    for count in (1, 2, 4, 8):
        rows = [(Example(TEXT), ("lang:a", f"task:{number}")) for number in range(count)]
        runs: dict[str, Callable[[], object]] = {
            "one": lambda: engine.predict([Example(TEXT)], ("lang:a", "task:0")),
            "shared": lambda rows=rows: list(engine.predictions(rows)),
            "apart": lambda rows=rows: without_sharing(lambda: list(engine.predictions(rows))),
        }
        took = {name: [] for name in runs}
        for _ in range(repeats):
            for name, run in runs.items():
                started = time.perf_counter()
                run()
                took[name].append(time.perf_counter() - started)
        one, shared, apart = (statistics.median(own) for own in took.values())
        differences = [
            abs(own - alone.scores[label])
            for (example, keys), found in zip(rows, engine.predictions(rows), strict=True)
            for alone in engine.predict([example], keys)
            for label, own in found.scores.items()
        ]
        print(f"| {count} | {shared / one:.2f} × | {apart / one:.2f} × | {max(differences):.1e} |")


def several_tasks() -> Engine:
    """A language in all layers and eight tasks in the last three."""
    host = Host.load(report=lambda line: None)
    model = RoutedModel(load_backbone("e5-small", host=host))
    torch.manual_seed(0)
    build = host.spec(MethodSpec, "bottleneck")
    below = [number for number in range(12) if number not in UPPER]
    for key, left_out in [("lang:a", []), *((f"task:{number}", below) for number in range(8))]:
        config = build.config(reduction_factor=16, leave_out=left_out)
        part = build.build(config, BuildContext(model.backbone, Corpus(())))
        for parameter in part.parameters():
            torch.nn.init.normal_(parameter, std=0.02)
        head = build_head(host, "classification", {}, model.backbone, ("a", "b", "c"), key) if left_out else None
        model.attach(Component(key, key.partition(":")[0], {"bottleneck": part}, head))
    return Engine(model.eval())


def without_sharing(run: Callable[[], object]) -> object:
    """What a run gives where every row goes through all layers by itself."""
    with patch.object(sharing, "shared_layers", lambda model, rows: None):
        return run()


def matrix(folder: Path, rows: int) -> None:
    """A matrix of six languages and eight tasks, beside that of one task."""
    folder.mkdir(parents=True, exist_ok=True)
    library, data = folder / "components", {}
    for language in LANGUAGES:
        first, *lines = (DATA / f"sib200/{language}/test.tsv").read_text(encoding="utf-8").splitlines()
        # The file is sorted by topic: rows of all of it.
        chosen = lines[:: max(1, len(lines) // rows)][:rows]
        data[language] = folder / f"{language}.tsv"
        data[language].write_text("\n".join([first, *chosen]) + "\n", encoding="utf-8")
    for language in LANGUAGES:
        trained(library, f"lang:{language[:3]}", {}, [{"text": "a text", "translation": "another"}] * 4)
    labels = lect.read(DATA / "sib200/eng_Latn/train.tsv", label="category")
    for number in range(8):
        trained(library, f"task:t{number}", {"leave_out": list(range(9))}, labels)
    print("| matrix of 6 languages | cells | seconds | of one task's |")
    print("| --- | ---: | ---: | ---: |")
    first = 0.0
    for name, count, run in (
        ("one task", 1, lambda do: do()),
        ("eight tasks, nothing shared", 8, without_sharing),
        ("eight tasks", 8, lambda do: do()),
    ):
        fields = matrix_fields(data, count)
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as cells:
            run(lambda fields=fields, cells=cells: lect.evaluate_matrix(fields, library=library, cells=cells))
        seconds = time.perf_counter() - started
        first = first or seconds
        print(f"| {name} | {6 * count} | {seconds:.1f} | {seconds / first:.2f} × |")


def trained(library: Path, key: str, part: dict[str, object], rows: Sequence[object]) -> None:
    """A component after a single step, unless it is there."""
    role, _, name = key.partition(":")
    if any((library / role).glob(f"{name}*")) or (library / role / name).exists():
        return
    recipe: dict[str, object] = {
        "component": {"name": name, "role": role},
        "parts": [{"method": "bottleneck", **part}],
        "objective": {"name": "alignment" if role == "lang" else "supervised"},
        "training": {"steps": 1, "precision": "float32"},
    }
    if role == "task":
        recipe["head"] = {"kind": "classification"}
    lect.train(recipe, rows, library=library, runs=library.parent / "runs")


def matrix_fields(data: Mapping[str, Path], count: int) -> dict[str, object]:
    """The matrix of all languages and so many tasks."""
    return {
        "dataset": [
            {"name": name, "language": name[:3], "reader": "tsv", "path": str(path.resolve()), "label": "category"}
            for name, path in data.items()
        ],
        "stack": [
            {"name": f"task {number}", "stack": f"lang:{{language}} + task:t{number}"} for number in range(count)
        ],
    }


if __name__ == "__main__":
    main()

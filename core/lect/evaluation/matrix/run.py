"""A matrix from its file: cells that are there already are read, the others computed and kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lect.composition.stack import parse_stack
from lect.data.dataset import Dataset
from lect.errors import ComponentError
from lect.evaluation.evaluate import TRIMMED
from lect.evaluation.matrix.cells import Bench, Cell, CellFolder, compute_cell, key_of
from lect.evaluation.matrix.file import MatrixFile, MatrixStack
from lect.evaluation.matrix.result import Column, Comparison, Curve, Entry, Gap, MatrixReport, RowOf
from lect.evaluation.render import readable
from lect.evaluation.significance import holm, paired_variants
from lect.host.reading import read_source
from lect.literals import Progress, no_progress
from lect.specs import MetricSpec
from lect.storage.assemble import finder
from lect.storage.library import Library

if TYPE_CHECKING:
    from lect.host import Host


def run_matrix(
    matrix: MatrixFile,
    host: Host,
    library: Library,
    cells: Path,
    progress: Progress | None = None,
    name: str = "matrix.toml",
) -> MatrixReport:
    """Score every stack on every data set, as far as that was not done before.

    Args:
        cells: the folder of finished cells: an interrupted matrix goes on where it was.
        name: quoted in messages.

    Raises:
        DataError: a data set is wrong.
        ComponentError: a component is absent that a stack names for all languages, or one is broken.
        StackError: a stack is refused.
    """
    started, progress = time.perf_counter(), progress or no_progress
    datasets = {
        each.name: read_source(host, each.source, matrix.folder, f"{name}, {each.where}") for each in matrix.datasets
    }
    bench, store = Bench(host, library, matrix.backbone), CellFolder(cells)
    entries: list[Entry] = []
    computed = 0
    total = len(matrix.datasets) * len(matrix.stacks)
    for column in matrix.datasets:
        bench.forget_states()
        for stack in matrix.stacks:
            progress(f"{column.name}: {stack.name}", len(entries) / total)
            entry = _chosen(stack, column.name, column.language, host, library)
            if not entry.skipped:
                dataset = datasets[column.name]
                key = key_of(host, library, entry.stack, dataset, matrix.backbone)
                cell, is_new = store.get_or_compute(key, _computing(bench, entry.stack, dataset, key))
                computed += is_new
                entry = replace(entry, cell=cell)
            entries.append(entry)
    progress("comparing", 1.0)
    report = report_of(matrix, datasets, entries, host)
    return replace(report, seconds=round(time.perf_counter() - started, 2), computed=computed)


def _computing(bench: Bench, stack: str, dataset: Dataset, key: str) -> Callable[[], Cell]:
    return lambda: compute_cell(bench, stack, dataset, key)


def _chosen(stack: MatrixStack, dataset: str, language: str, host: Host, library: Library) -> Entry:
    """The entry to score: the stack itself, its fallback, or the reason why neither can be."""
    text = str(parse_stack(stack.text(language)))
    try:
        _check_present(text, host, library)
    except ComponentError as error:
        if not stack.is_pattern:
            raise
        fallback = stack.fallback_text(language)
        if fallback is None:
            return Entry(dataset, stack.name, text, skipped=error.what)
        fallback = str(parse_stack(fallback))
        _check_present(fallback, host, library)
        return Entry(dataset, stack.name, fallback, is_fallback=True)
    return Entry(dataset, stack.name, text)


def _check_present(text: str, host: Host, library: Library) -> None:
    for atom in parse_stack(text).atoms:
        finder(library, host)(atom)


def report_of(matrix: MatrixFile, datasets: dict[str, Dataset], entries: Sequence[Entry], host: Host) -> MatrixReport:
    """What entries that are scored say together: gaps, comparisons and curves; nothing is computed of a model.

    Args:
        datasets: by the names that the matrix has for them.
        entries: of every data set and stack, in the matrix's order.
    """
    scored = [entry.cell for entry in entries if entry.cell is not None]
    baseline = matrix.baseline or matrix.stacks[0].name
    report = MatrixReport(
        title=matrix.title or f"{len(datasets)} data sets × {len(matrix.stacks)} stacks",
        note=matrix.note,
        source=matrix.source,
        baseline=baseline,
        alpha=matrix.alpha,
        resamples=matrix.resamples,
        backbone=scored[0].report.backbone if scored else "",
        main=scored[0].report.main if scored else "",
        direction=scored[0].report.direction if scored else "higher",
        columns=tuple(
            Column(
                each.name,
                each.language,
                _display(each.language),
                len(datasets[each.name].examples),
                str(each.source),
                each.source.licence,
                datasets[each.name].remarks,
            )
            for each in matrix.datasets
        ),
        rows=tuple(RowOf(each.name, each.pattern, each.fallback) for each in matrix.stacks),
        entries=tuple(entries),
        notes=tuple(dict.fromkeys((*_skipped(entries), *_signatures(scored), *_trimmed(scored)))),
    )
    return replace(
        report,
        entries=tuple(replace(entry, gap=_gap(report, entry)) for entry in entries),
        comparisons=_with_baseline(report, host),
        parts=_without_parts(report, host),
        curves=_curves(matrix.folder / Path(matrix.runs).expanduser(), scored),
    )


def _skipped(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Why cells are not scored; what is absent of one stack in one sentence."""
    absent: dict[str, list[str]] = {}
    others = []
    for entry in entries:
        what, found, component = entry.skipped.partition("there is no component ")
        if found and not what:
            absent.setdefault(entry.name, []).append(component)
        elif entry.skipped:
            others.append(f"{entry.name}, {entry.dataset}: {entry.skipped}.")
    named = [f"{name}: there is no component {', '.join(dict.fromkeys(own))}." for name, own in absent.items()]
    return tuple(dict.fromkeys((*named, *others)))


def _signatures(scored: Sequence[Cell]) -> list[str]:
    """What scores were computed with, as the library says that others compare with."""
    return [f"{readable(score)}: {told}." for cell in scored for score, told in cell.report.signatures.items()]


def _trimmed(scored: Sequence[Cell]) -> list[str]:
    """That scores without a component are a trimmed backbone's."""
    return [note for cell in scored for note in cell.report.notes if note.startswith(TRIMMED)]


def _gap(report: MatrixReport, entry: Entry) -> Gap | None:
    source = next((each for each in report.columns if each.language == report.source), None)
    if source is None or entry.dataset == source.name:
        return None
    score, other = entry.score, report.entry(source.name, entry.name).score
    if score is None or other is None or score.name != other.name:
        return None
    value = score.value - other.value
    down = ((score.value - score.low) ** 2 + (other.high - other.value) ** 2) ** 0.5
    up = ((score.high - score.value) ** 2 + (other.value - other.low) ** 2) ** 0.5
    return Gap(value, value - down, value + up)


def _with_baseline(report: MatrixReport, host: Host) -> tuple[Comparison, ...]:
    found = []
    for entry in report.entries:
        other = report.entry(entry.dataset, report.baseline)
        if entry.name == report.baseline or entry.cell is None or other.cell is None or entry.stack == other.stack:
            continue
        if entry.cell.metric != other.cell.metric:
            continue
        found.append(_compared(host, entry, entry.name, report.baseline, other.cell, 0, report.resamples))
    return _adjusted(found)


def _without_parts(report: MatrixReport, host: Host) -> tuple[Comparison, ...]:
    found = []
    for entry in report.entries:
        if entry.cell is None:
            continue
        for place, variant in enumerate(entry.cell.report.variants[1:], start=1):
            found.append(_compared(host, entry, entry.name, variant.label, entry.cell, place, report.resamples))
    return _adjusted(found)


def _compared(host: Host, entry: Entry, first: str, second: str, other: Cell, place: int, resamples: int) -> Comparison:
    """A cell's whole stack beside a variant of this or another cell of the same data."""
    assert entry.cell is not None
    metric, report = host.spec(MetricSpec, entry.cell.metric), entry.cell.report
    variants = report.variants[0], other.report.variants[place]
    test = paired_variants(metric, report.main, entry.cell.rows.truth, *variants, resamples)
    return Comparison(entry.dataset, first, second, test.value, test.low, test.high, test.p)


def _adjusted(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    adjusted = holm([each.p for each in comparisons])
    return tuple(replace(each, adjusted=value) for each, value in zip(comparisons, adjusted, strict=True))


def _display(language: str) -> str:
    from lect.errors import DataError
    from lect.languages.tags import display_name

    try:
        return display_name(language)
    except DataError:
        return language


def _curves(runs: Path, cells: Sequence[Cell]) -> tuple[Curve, ...]:
    """Of every component that was scored and whose run lies there."""
    keys = dict.fromkeys(key for cell in cells for key in cell.components)
    main = cells[0].report.main if cells else ""
    curves = (_curve(key, runs / key.replace(":", "-") / "metrics.jsonl", main) for key in keys)
    return tuple(curve for curve in curves if curve is not None)


def _curve(component: str, file: Path, main: str) -> Curve | None:
    steps, losses, at, scores, name = [], [], [], [], ""
    try:
        for line in file.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if validation := record.get("validation"):
                name = main if main in validation else next(iter(validation))
                at.append(int(record["step"]))
                scores.append(float(validation[name]))
            elif "loss" in record:
                steps.append(int(record["step"]))
                losses.append(float(record["loss"]))
    except (OSError, ValueError, TypeError, KeyError):
        # A log is of use where it is there and whole; the scores do not hang on it.
        return None
    return Curve(component, tuple(steps), tuple(losses), tuple(at), tuple(scores), name) if steps else None

"""The parts of a page about scores: the heat map, intervals, gaps, gains, tests and costs."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from lect.evaluation.html import plots
from lect.evaluation.html.parts import figure, paragraph, shaded, table
from lect.evaluation.matrix.render import bytes_text, p_text
from lect.evaluation.render import readable
from lect.scores import best_of

if TYPE_CHECKING:
    from lect.evaluation.matrix.result import Column, Comparison, Entry, MatrixReport


_P = '<th scope="col" class="wide">p</th>'

_STACK = '<th scope="col" class="text">stack</th>'


def in_short(report: MatrixReport) -> str:
    """The first things to know, as a list."""
    metric = readable(report.main)
    lower = report.direction == "lower"
    over = "from" if lower else "over"
    others = "over the languages but the source" if report.source else "over all languages"
    means = {row.name: report.mean(row.name) for row in report.rows}
    known = {name: value for name, value in means.items() if value is not None}
    said = ["The lower, the better."] if lower else []
    if known:
        value = best_of(known.values(), report.direction)
        # Scores that differ in the last bits alone are one score.
        first = [name for name, mean in known.items() if math.isclose(mean, value, rel_tol=1e-9, abs_tol=1e-12)]
        said.append(_first(first, len(known), f"mean {metric} {others}", value, lower=lower))
        base = known.get(report.baseline)
        if base is not None and report.baseline not in first:
            said.append(f"That is {100 * (value - base):+.1f} {over} <b>{escape(report.baseline)}</b>, the baseline.")
    for row in report.rows:
        own = [each for each in report.comparisons if each.first == row.name]
        if own:
            gained = [(each.dataset, report.gained(each).value) for each in own if each.adjusted < report.alpha]
            better = [dataset for dataset, value in gained if value > 0]
            worse = [dataset for dataset, value in gained if value < 0]
            said.append(f"{escape(row.name)} {_differs(better, worse, [each.dataset for each in own])}.")
    absent = sum(entry.cell is None for entry in report.entries)
    if absent:
        said.append(f"{absent} of {len(report.entries)} cells could not be scored; the reasons are at the end.")
    return f"<b>In short</b><ul>{''.join(f'<li>{sentence}</li>' for sentence in said)}</ul>"


def _first(names: list[str], count: int, what: str, value: float, *, lower: bool) -> str:
    """Which stacks have the best mean: one, several that have the same, or all."""
    shown = f"<b>{100 * value:.1f}</b>"
    if len(names) == count > 1:
        return f"All {count} stacks have the same {what}: {shown}."
    bold = [f"<b>{escape(name)}</b>" for name in names]
    said = bold[0] if len(bold) == 1 else f"{', '.join(bold[:-1])} and {bold[-1]}"
    share = "has" if len(bold) == 1 else "share"
    return f"{said} {share} the {'lowest' if lower else 'highest'} {what}: {shown}."


def heat_map(report: MatrixReport) -> str:
    """Every score, the deeper the better."""
    values = [100 * entry.score.value for entry in report.entries if entry.score is not None]
    if not values:
        return paragraph("No cell could be scored.")
    low, high = min(values), max(values)
    rows = []
    for column in report.columns:
        entries = [report.entry(column.name, row.name) for row in report.rows]
        best = report.best(column.name)
        rows.append([_language(column), *(_heat(report, entry, best, low, high) for entry in entries)])
    metric = f"{readable(report.main)} × 100{', the lower the better,' if report.direction == 'lower' else ''}"
    said = f"{metric} of every stack (columns) in every language (rows), with its interval; bold: the best of its row."
    marks = []
    if report.comparisons:
        marks.append(f"* significantly different from “{report.baseline}” (p < {report.alpha:g} after correction)")
    if any(entry.is_fallback for entry in report.entries):
        marks.append("° no language part there: the stack's fallback")
    if any(entry.cell is None for entry in report.entries):
        marks.append("– not scored, a component is absent")
    header = ["", *(escape(row.name) for row in report.rows)]
    heat = table(header, rows, "heat") + paragraph("; ".join(marks), "dim")
    return f'{paragraph(said)}<div class="grid"><div>{heat}</div>{_intervals(report)}</div>'


def _intervals(report: MatrixReport) -> str:
    rows = [column.label for column in report.columns]
    series = [row.name for row in report.rows]
    found = []
    for y, column in enumerate(report.columns):
        for place, row in enumerate(report.rows):
            score = report.entry(column.name, row.name).score
            if score is not None:
                found.append(plots.Dot(y, place, 100 * score.value, 100 * score.low, 100 * score.high))
    metric = readable(report.main)
    way = " (the lower, the better)" if report.direction == "lower" else ""
    plot = plots.dots(f"{metric} with intervals", rows, series, found, f"{metric} × 100{way}")
    return figure(plot, "Points are scores, bars their 95 % intervals. Stacks whose bars overlap may still differ: the "
                        "tests below compare them row by row.")  # fmt: skip


def gaps(report: MatrixReport) -> str:
    """Every score less that of the source language."""
    if not report.source or not any(entry.gap for entry in report.entries):
        return ""
    name = next(column.label for column in report.columns if column.language == report.source)
    stacks = report.stacks_with_gaps
    rows = [
        [_language(column), *(_gap(report.entry(column.name, stack)) for stack in stacks)]
        for column in report.columns
        if column.language != report.source
    ]
    said = f"The task was learned in {name}. This is each stack's score less its own score there: "
    side = "above" if report.direction == "lower" else "below"
    said += f"{side} 0 it falls behind; grey: the interval holds 0."
    return paragraph(said) + table(["", *map(escape, stacks)], rows)


def part_gains(report: MatrixReport) -> str:
    """What the whole stack has over the same without a part."""
    if not report.parts:
        return ""
    labels = {column.name: column.label for column in report.columns}
    stacks = list(dict.fromkeys(each.first for each in report.parts))
    places = list(dict.fromkeys((each.dataset, each.second) for each in report.parts))
    dots = [
        plots.Dot(
            places.index((each.dataset, each.second)),
            stacks.index(each.first),
            100 * each.value,
            100 * each.low,
            100 * each.high,
        )
        for each in map(report.gained, report.parts)
    ]
    names = [f"{labels[dataset]}: {second.removeprefix('without ')}" for dataset, second in places]
    rows = [
        [
            escape(labels[each.dataset]),
            f'<td class="text">{escape(each.first)}<small><code>{escape(each.second)}</code></small></td>',
            *_numbers(report, each),
        ]
        for each in map(report.gained, report.parts)
    ]
    plot = plots.dots("gain of each part", names, stacks, dots, f"gain in {readable(report.main)} × 100", zero=True)
    header = ["", _STACK, "gain", _P, "p (Holm)"]
    said = "The same stack is scored with and without each of its components, on the same rows; grey: not significant "
    said += f"after Holm's correction for {len(report.parts)} comparisons."
    shown = figure(plot, "Right of the dotted line the part helps; bars are 95 % intervals.")
    return f'{paragraph(said)}<div class="grid">{shown}{table(header, rows)}</div>'


def comparisons(report: MatrixReport) -> str:
    """Every stack against the baseline."""
    if not report.comparisons:
        return ""
    labels = {column.name: column.label for column in report.columns}
    rows = [
        [escape(labels[each.dataset]), f'<td class="text">{escape(each.first)}</td>', *_numbers(report, each)]
        for each in report.comparisons
    ]
    way = "; below 0 it is better" if report.direction == "lower" else ""
    said = f"Every stack less “{report.baseline}” on the same rows{way}; grey: not significant after Holm's correction "
    said += f"for {len(report.comparisons)} comparisons."
    return paragraph(said) + table(["", _STACK, "difference", _P, "p (Holm)"], rows)


def costs(report: MatrixReport) -> str:
    """Parameters, size and time of every stack."""
    rows = []
    for row in report.rows:
        cells = [entry.cell for entry in report.entries if entry.name == row.name and entry.cell is not None]
        if not cells:
            continue
        largest = max(cells, key=lambda cell: cell.cost.parameters).cost
        texts = sum(len(cell.rows.truth) for cell in cells)
        rate = 1000 * sum(cell.cost.inference_seconds for cell in cells) / texts
        trained = "–" if largest.training_seconds is None else f"{largest.training_seconds:,.0f} s"
        rows.append([escape(row.name), f"{largest.parameters:,}", bytes_text(largest.bytes), trained, f"{rate:.1f} s"])
    said = "Of the stack of one language, all its components together: parameters trained, their size on disk, the "
    said += "seconds of training as the components record them, and the seconds for 1,000 test rows on this machine."
    return paragraph(said) + table(["", "parameters", "on disk", "training", "1,000 rows"], rows)


def _heat(report: MatrixReport, entry: Entry, best: float | None, low: float, high: float) -> str:
    score = entry.score
    if score is None:
        return f'<td title="{escape(entry.skipped)}">–</td>'
    compared = report.comparison(entry.dataset, entry.name)
    mark = "*" if compared is not None and compared.adjusted < report.alpha else ""
    mark += "°" if entry.is_fallback else ""
    value = 100 * score.value
    share = (value - low) / (high - low) if high > low else 0.5
    share = 1 - share if report.direction == "lower" else share
    content = f"{value:.1f}{mark}<small>{100 * score.low:.0f}–{100 * score.high:.0f}</small>"
    return shaded(content, share, "best" if score.value == best else "")


def _gap(entry: Entry) -> str:
    gap = entry.gap
    if gap is None:
        return "<td>–</td>"
    kind = ' class="unsure"' if gap.low <= 0 <= gap.high else ""
    return f"<td{kind}>{100 * gap.value:+.1f}<small>{100 * gap.low:+.0f} to {100 * gap.high:+.0f}</small></td>"


def _numbers(report: MatrixReport, each: Comparison) -> list[str]:
    kind = "" if each.adjusted < report.alpha else ' class="unsure"'
    value = f"{100 * each.value:+.1f}<small>{100 * each.low:+.1f} to {100 * each.high:+.1f}</small>"
    wide = 'class="wide unsure"' if kind else 'class="wide"'
    adjusted = escape(p_text(each.adjusted))
    return [f"<td{kind}>{value}</td>", f"<td {wide}>{escape(p_text(each.p))}</td>", f"<td{kind}>{adjusted}</td>"]


def _language(column: Column) -> str:
    name = f"<small>{escape(column.name)}</small>" if column.name != column.label else ""
    return f"{escape(column.label)}{name}"


def _differs(better: list[str], worse: list[str], compared: list[str]) -> str:
    """In which data sets a stack differs from the baseline."""
    where = "the one language" if len(compared) == 1 else f"the {len(compared)} languages"
    if not better and not worse:
        return (
            f"does not differ significantly from the baseline in {'' if len(compared) == 1 else 'any of '}{where}"
            + (" that it was compared in")
        )
    named = {"better": better, "worse": worse}
    parts = [f"{kind} in {len(own)} ({escape(', '.join(own))})" for kind, own in named.items() if own]
    return f"is, compared with the baseline, significantly {' and '.join(parts)} of {where}"

"""The parts of a page about scores: the heat map, intervals, gaps, gains, tests and costs."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from lect.errors import DataError
from lect.evaluation.html import plots
from lect.evaluation.html.parts import figure, foreign, interval, paragraph, shaded, table, text_heading
from lect.evaluation.matrix.render import bytes_text, p_text
from lect.evaluation.render import readable, stack_text
from lect.languages.tags import display_name
from lect.locales import ENGLISH, Locale
from lect.scores import best_of

if TYPE_CHECKING:
    from lect.evaluation.matrix.result import Column, Comparison, Entry, MatrixReport


def column_label(column: Column, locale: Locale) -> str:
    """The language of a data set, as the reader calls it."""
    if locale.tag == ENGLISH.tag:
        return column.label
    try:
        return display_name(column.language, locale.tag)
    except DataError:
        return column.label


def in_short(report: MatrixReport, locale: Locale) -> str:
    """The first things to know, as a list."""
    lower = report.direction == "lower"
    means = {row.name: report.mean(row.name) for row in report.rows}
    known = {name: value for name, value in means.items() if value is not None}
    said = [locale.gettext("The lower, the better.")] if lower else []
    if known:
        value = best_of(known.values(), report.direction)
        # Scores that differ in the last bits alone are one score.
        first = [name for name, mean in known.items() if math.isclose(mean, value, rel_tol=1e-9, abs_tol=1e-12)]
        said.append(_first(report, first, len(known), value, locale))
        base = known.get(report.baseline)
        if base is not None and report.baseline not in first:
            difference, name = locale.format(100 * (value - base), "+.1f"), f"<b>{foreign(report.baseline)}</b>"
            if lower:
                text = locale.gettext(
                    "That is {difference} from {stack}, the baseline.", difference=difference, stack=name
                )
            else:
                text = locale.gettext(
                    "That is {difference} over {stack}, the baseline.", difference=difference, stack=name
                )
            said.append(text)
    for row in report.rows:
        own = [each for each in report.comparisons if each.first == row.name]
        if own:
            gained = [(each.dataset, report.gained(each).value) for each in own if each.adjusted < report.alpha]
            better = [dataset for dataset, value in gained if value > 0]
            worse = [dataset for dataset, value in gained if value < 0]
            said.append(_differs(row.name, better, worse, len(own), locale))
    absent = sum(entry.cell is None for entry in report.entries)
    if absent:
        said.append(
            locale.gettext(
                "{count} of {all} cells could not be scored; the reasons are at the end.",
                count=absent,
                all=len(report.entries),
            )
        )
    return f"<b>{locale.gettext('In short')}</b><ul>{''.join(f'<li>{sentence}</li>' for sentence in said)}</ul>"


def _first(report: MatrixReport, names: list[str], count: int, value: float, locale: Locale) -> str:
    """Which stacks have the best mean: one, several that have the same, or all."""
    metric, shown = readable(report.main, locale), f"<b>{locale.format(100 * value, '.1f')}</b>"
    if report.source:
        mean = locale.gettext("mean {metric} over the languages but the source", metric=metric)
    else:
        mean = locale.gettext("mean {metric} over all languages", metric=metric)
    if len(names) == count > 1:
        return locale.gettext("All {count} stacks have the same {mean}: {value}.", count=count, mean=mean, value=shown)
    *others, stacks = [f"<b>{foreign(name)}</b>" for name in names]
    if others:
        stacks = locale.gettext("{several} and {last}", several=", ".join(others), last=stacks)
    values = {"stacks": stacks, "mean": mean, "value": shown}
    if report.direction == "lower":
        return locale.ngettext(
            "{stacks} has the lowest {mean}: {value}.",
            "{stacks} share the lowest {mean}: {value}.",
            len(names),
            **values,
        )
    return locale.ngettext(
        "{stacks} has the highest {mean}: {value}.",
        "{stacks} share the highest {mean}: {value}.",
        len(names),
        **values,
    )


def heat_map(report: MatrixReport, locale: Locale) -> str:
    """Every score, the deeper the better."""
    _ = locale.gettext
    values = [100 * entry.score.value for entry in report.entries if entry.score is not None]
    if not values:
        return paragraph(_("No cell could be scored."))
    low, high = min(values), max(values)
    rows = []
    for column in report.columns:
        entries = [report.entry(column.name, row.name) for row in report.rows]
        best = report.best(column.name)
        rows.append([_language(column, locale), *(_heat(report, entry, best, low, high, locale) for entry in entries)])
    metric = f"{readable(report.main, locale)} × 100"
    if report.direction == "lower":
        metric = _("{metric}, the lower the better,", metric=metric)
    said = _(
        "{metric} of every stack (columns) in every language (rows), with its interval; bold: the best of its row.",
        metric=metric,
    )
    marks = []
    if report.comparisons:
        marks.append(
            _(
                "* significantly different from “{stack}” (p < {alpha} after correction)",
                stack=report.baseline,
                alpha=locale.format(report.alpha, "g"),
            )
        )
    if any(entry.is_fallback for entry in report.entries):
        marks.append(_("° no language part there: the stack's fallback"))
    if any(entry.cell is None for entry in report.entries):
        marks.append(_("– not scored, a component is absent"))
    header = ["", *(foreign(row.name) for row in report.rows)]
    heat = table(header, rows, "heat") + paragraph("; ".join(marks), "dim")
    return f'{paragraph(said)}<div class="grid"><div>{heat}</div>{_intervals(report, locale)}</div>'


def _intervals(report: MatrixReport, locale: Locale) -> str:
    _ = locale.gettext
    rows = [column_label(column, locale) for column in report.columns]
    series = [row.name for row in report.rows]
    found = []
    for y, column in enumerate(report.columns):
        for place, row in enumerate(report.rows):
            score = report.entry(column.name, row.name).score
            if score is not None:
                found.append(plots.Dot(y, place, 100 * score.value, 100 * score.low, 100 * score.high))
    metric = readable(report.main, locale)
    axis = f"{metric} × 100"
    if report.direction == "lower":
        axis = _("{metric} (the lower, the better)", metric=axis)
    plot = plots.dots(_("{metric} with intervals", metric=metric), rows, series, found, axis, locale)
    caption = _(
        "Points are scores, bars their 95 % intervals. Stacks whose bars overlap may still differ: the tests below "
        "compare them row by row."
    )
    return figure(plot, caption)


def gaps(report: MatrixReport, locale: Locale) -> str:
    """Every score less that of the source language."""
    if not report.source or not any(entry.gap for entry in report.entries):
        return ""
    name = next(column_label(column, locale) for column in report.columns if column.language == report.source)
    stacks = report.stacks_with_gaps
    rows = [
        [_language(column, locale), *(_gap(report.entry(column.name, stack), locale) for stack in stacks)]
        for column in report.columns
        if column.language != report.source
    ]
    if report.direction == "lower":
        said = locale.gettext(
            "The task was learned in {language}. This is each stack's score less its own score there: above 0 it falls "
            "behind; grey and slanted: the interval holds 0.",
            language=name,
        )
    else:
        said = locale.gettext(
            "The task was learned in {language}. This is each stack's score less its own score there: below 0 it falls "
            "behind; grey and slanted: the interval holds 0.",
            language=name,
        )
    return paragraph(said) + table(["", *map(foreign, stacks)], rows)


def part_gains(report: MatrixReport, locale: Locale) -> str:
    """What the whole stack has over the same without a part."""
    if not report.parts:
        return ""
    _ = locale.gettext
    labels = {column.name: column_label(column, locale) for column in report.columns}
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
            f'<td class="text">{foreign(each.first)}<small><code>{escape(stack_text(each.second, locale))}</code>'
            "</small></td>",
            *_numbers(report, each, locale),
        ]
        for each in map(report.gained, report.parts)
    ]
    axis = _("gain in {metric} × 100", metric=readable(report.main, locale))
    plot = plots.dots(_("gain of each part"), names, stacks, dots, axis, locale, zero=True)
    said = _(
        "The same stack is scored with and without each of its components, on the same rows; grey and slanted: not "
        "significant after Holm's correction for {comparisons}.",
        comparisons=_count(len(report.parts), locale),
    )
    shown = figure(plot, _("Right of the dotted line the part helps; bars are 95 % intervals."))
    return f'{paragraph(said)}<div class="grid">{shown}{table(_tested(_("gain"), locale), rows)}</div>'


def comparisons(report: MatrixReport, locale: Locale) -> str:
    """Every stack against the baseline."""
    if not report.comparisons:
        return ""
    labels = {column.name: column_label(column, locale) for column in report.columns}
    rows = [
        [
            escape(labels[each.dataset]),
            f'<td class="text">{foreign(each.first)}</td>',
            *_numbers(report, each, locale),
        ]
        for each in report.comparisons
    ]
    values = {"stack": report.baseline, "comparisons": _count(len(report.comparisons), locale)}
    if report.direction == "lower":
        said = locale.gettext(
            "Every stack less “{stack}” on the same rows; below 0 it is better; grey and slanted: not significant "
            "after Holm's correction for {comparisons}.",
            **values,
        )
    else:
        said = locale.gettext(
            "Every stack less “{stack}” on the same rows; grey and slanted: not significant after Holm's correction "
            "for {comparisons}.",
            **values,
        )
    return paragraph(said) + table(_tested(locale.gettext("difference"), locale), rows)


def costs(report: MatrixReport, locale: Locale) -> str:
    """Parameters, size and time of every stack."""
    _ = locale.gettext
    rows = []
    for row in report.rows:
        cells = [entry.cell for entry in report.entries if entry.name == row.name and entry.cell is not None]
        if not cells:
            continue
        largest = max(cells, key=lambda cell: cell.cost.parameters).cost
        texts = sum(len(cell.rows.truth) for cell in cells)
        rate = 1000 * sum(cell.cost.inference_seconds for cell in cells) / texts
        seconds = largest.training_seconds
        trained = "–" if seconds is None else _("{number} s", number=locale.format(seconds, ",.0f"))
        size, spent = bytes_text(largest.bytes, locale), _("{number} s", number=locale.format(rate, ".1f"))
        rows.append([foreign(row.name), locale.format(largest.parameters), size, trained, spent])
    said = _(
        "Of the stack of one language, all its components together: parameters trained, their size on disk, the "
        "seconds of training as the components record them, and the seconds for 1,000 test rows on this machine."
    )
    return paragraph(said) + table(["", _("parameters"), _("on disk"), _("training"), _("1,000 rows")], rows)


def _count(comparisons: int, locale: Locale) -> str:
    return locale.ngettext("{count} comparison", "{count} comparisons", comparisons)


def _tested(value: str, locale: Locale) -> list[str]:
    return ["", text_heading(locale.gettext("stack")), value, '<th scope="col" class="wide">p</th>', "p (Holm)"]


def _heat(report: MatrixReport, entry: Entry, best: float | None, low: float, high: float, locale: Locale) -> str:
    score = entry.score
    if score is None:
        return f'<td title="{escape(entry.skipped)}">–</td>'
    compared = report.comparison(entry.dataset, entry.name)
    mark = "*" if compared is not None and compared.adjusted < report.alpha else ""
    mark += "°" if entry.is_fallback else ""
    value = 100 * score.value
    share = (value - low) / (high - low) if high > low else 0.5
    share = 1 - share if report.direction == "lower" else share
    content = f"{locale.format(value, '.1f')}{mark}<small>{100 * score.low:.0f}–{100 * score.high:.0f}</small>"
    return shaded(content, share, "best" if score.value == best else "")


def _gap(entry: Entry, locale: Locale) -> str:
    gap = entry.gap
    if gap is None:
        return "<td>–</td>"
    kind = ' class="unsure"' if gap.low <= 0 <= gap.high else ""
    value = f"{locale.format(100 * gap.value, '+.1f')}{interval(100 * gap.low, 100 * gap.high, '+.0f', locale)}"
    return f"<td{kind}>{value}</td>"


def _numbers(report: MatrixReport, each: Comparison, locale: Locale) -> list[str]:
    kind = "" if each.adjusted < report.alpha else ' class="unsure"'
    value = f"{locale.format(100 * each.value, '+.1f')}{interval(100 * each.low, 100 * each.high, '+.1f', locale)}"
    wide = 'class="wide unsure"' if kind else 'class="wide"'
    own, adjusted = (escape(p_text(p, locale)) for p in (each.p, each.adjusted))
    return [f"<td{kind}>{value}</td>", f"<td {wide}>{own}</td>", f"<td{kind}>{adjusted}</td>"]


def _language(column: Column, locale: Locale) -> str:
    name = f"<small>{escape(column.name)}</small>" if column.name != column.label else ""
    return f"{escape(column_label(column, locale))}{name}"


def _differs(stack: str, better: list[str], worse: list[str], count: int, locale: Locale) -> str:
    """In which data sets a stack differs from the baseline."""
    values = {
        "stack": foreign(stack),
        "better": len(better),
        "better_in": escape(", ".join(better)),
        "worse": len(worse),
        "worse_in": escape(", ".join(worse)),
    }
    if better and worse:
        return locale.ngettext(
            "{stack} is, compared with the baseline, significantly better in {better} ({better_in}) and worse in "
            "{worse} ({worse_in}) of the one language.",
            "{stack} is, compared with the baseline, significantly better in {better} ({better_in}) and worse in "
            "{worse} ({worse_in}) of the {count} languages.",
            count,
            **values,
        )
    if better:
        return locale.ngettext(
            "{stack} is, compared with the baseline, significantly better in {better} ({better_in}) of the one "
            "language.",
            "{stack} is, compared with the baseline, significantly better in {better} ({better_in}) of the {count} "
            "languages.",
            count,
            **values,
        )
    if worse:
        return locale.ngettext(
            "{stack} is, compared with the baseline, significantly worse in {worse} ({worse_in}) of the one language.",
            "{stack} is, compared with the baseline, significantly worse in {worse} ({worse_in}) of the {count} "
            "languages.",
            count,
            **values,
        )
    return locale.ngettext(
        "{stack} does not differ significantly from the baseline in the one language that it was compared in.",
        "{stack} does not differ significantly from the baseline in any of the {count} languages that it was compared "
        "in.",
        count,
        **values,
    )

"""A matrix as tables: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lect.evaluation.matrix.result import Comparison, Entry
from lect.evaluation.render import marked, readable
from lect.locales import ENGLISH, Locale

if TYPE_CHECKING:
    from lect.evaluation.matrix.result import Column, MatrixReport

_LABEL = 34
_CELL = 8
"""A score with two marks, and the space behind it."""


@dataclass(frozen=True)
class Table:
    """A heading and cells as they are shown; the first column is of text, the others of numbers."""

    heading: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def renderables(report: MatrixReport, width: int) -> Iterator[Any]:
    """What `rich` prints for a matrix in a terminal of that width."""
    from rich.padding import Padding
    from rich.table import Table as RichTable
    from rich.text import Text

    yield Text(report.title, style="bold")
    yield Text(facts(report), style="dim")
    for remark in remarks(report):
        yield Text(remark, style="yellow")
    label = max(len("stack"), *(len(row.name) for row in report.rows))
    # One column is that of the mean.
    at_once = max(1, (width - min(label, _LABEL) - 4) // _CELL - 1)
    for plain in tables(report, at_once, intervals=False):
        yield Text("")
        yield Text(plain.heading, style="bold")
        table = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for place, name in enumerate(plain.header):
            table.add_column(Text(name), justify="right" if place else "left", overflow="fold", no_wrap=bool(place))
        for row in plain.rows:
            table.add_row(*(Text(cell) for cell in row))
        yield Padding(table, (0, 0, 0, 2))
    yield Text("")
    for sentence in (*legend(report), *report.notes):
        yield Text(sentence, style="dim")


def markdown(report: MatrixReport) -> str:
    """The matrix as GitHub-flavoured Markdown, with every interval."""
    lines = [f"## {_cell(report.title)}", "", facts(report), ""]
    for remark in remarks(report):
        lines += [_cell(remark), ""]
    if report.note:
        lines += [report.note.strip(), ""]
    for table in tables(report, len(report.columns), intervals=True):
        lines += [f"### {_cell(table.heading)}", "", *markdown_table(table), ""]
    lines += [f"- {_cell(sentence)}" for sentence in (*legend(report), *report.notes)]
    return "\n".join(lines) + "\n"


def markdown_table(table: Table) -> list[str]:
    """The lines of a table, without its heading."""
    rule = _line((":--", *("--:" for _ in table.header[1:])), escape=False)
    return [_line(table.header), rule, *(_line(row) for row in table.rows)]


def facts(report: MatrixReport, locale: Locale = ENGLISH) -> str:
    """What was scored, in a line."""
    scored = sum(entry.cell is not None for entry in report.entries)
    return locale.gettext(
        "{datasets} data sets × {stacks} stacks · {scored} cells, {computed} new · {backbone} · {seconds} s",
        datasets=len(report.columns),
        stacks=len(report.rows),
        scored=scored,
        computed=report.computed,
        backbone=report.backbone,
        seconds=locale.format(report.seconds, ".1f"),
    )


def remarks(report: MatrixReport) -> list[str]:
    """What readers did with rows that they could not take as they were, each a line of its own."""
    return [f"{column.label}: {remark}" for column in report.columns for remark in column.remarks]


def legend(report: MatrixReport) -> list[str]:
    """What the tables' marks mean, each a sentence."""
    said = [f"{readable(report.main)} × 100; intervals are 95 % bootstrap intervals over the test rows."]
    if report.direction == "lower":
        said.append("↓: the lower, the better.")
    if report.comparisons:
        said.append(
            f'* differs from "{report.baseline}": paired bootstrap of {report.resamples:,} resamples, two-sided, '
            f"p < {report.alpha:g} after Holm's correction for {len(report.comparisons)} comparisons."
        )
    if any(entry.is_fallback for entry in report.entries):
        said.append("° the stack's fallback, since a component is absent for that language.")
    if report.source:
        said.append(f'"mean" is over the languages but the source, {report.source}.')
    return said


def tables(report: MatrixReport, at_once: int, *, intervals: bool) -> Iterator[Table]:
    """Scores, gaps, parts and costs.

    Args:
        at_once: the most data sets beside each other.
    """
    chunks = [report.columns[start : start + at_once] for start in range(0, len(report.columns), at_once)]
    for place, chunk in enumerate(chunks):
        mean = place == len(chunks) - 1
        yield Table(
            marked(report.main, report.direction),
            ("stack", *(column.name for column in chunk), *(("mean",) if mean else ())),
            tuple(
                (
                    row.name,
                    *(score_text(report, report.entry(column.name, row.name), intervals) for column in chunk),
                    *((_number(report.mean(row.name)),) if mean else ()),
                )
                for row in report.rows
            ),
        )
    if report.source:
        for chunk in chunks:
            others = [column for column in chunk if column.language != report.source]
            if others:
                yield _gaps(report, others, intervals)
    if report.parts:
        yield _parts(report)
    yield _costs(report)


def score_text(report: MatrixReport, entry: Entry, intervals: bool) -> str:
    """A cell's score with its marks."""
    score = entry.score
    if score is None:
        return "–"
    compared = report.comparison(entry.dataset, entry.name)
    mark = "*" if compared is not None and compared.adjusted < report.alpha else ""
    mark += "°" if entry.is_fallback else ""
    value = f"{100 * score.value:.1f}{mark}"
    return f"{value} [{100 * score.low:.1f}, {100 * score.high:.1f}]" if intervals else value


def p_text(p: float, locale: Locale = ENGLISH) -> str:
    """A p-value as it is shown."""
    return f"<{locale.format(0.001, '.3f')}" if p < 0.001 else locale.format(p, ".3f")


def bytes_text(size: int, locale: Locale = ENGLISH) -> str:
    """A size on disk as it is shown."""
    if size >= 100_000:
        return locale.gettext("{number} MB", number=locale.format(size / 1e6, ".1f"))
    return locale.gettext("{number} kB", number=locale.format(size / 1e3, ".1f"))


def _gaps(report: MatrixReport, columns: Sequence[Column], intervals: bool) -> Table:
    def text(entry: Entry) -> str:
        if entry.gap is None:
            return "–"
        value = f"{100 * entry.gap.value:+.1f}"
        return f"{value} [{100 * entry.gap.low:+.1f}, {100 * entry.gap.high:+.1f}]" if intervals else value

    return Table(
        f"gap to the source language, {report.source}",
        ("stack", *(column.name for column in columns)),
        tuple(
            (stack, *(text(report.entry(column.name, stack)) for column in columns))
            for stack in report.stacks_with_gaps
        ),
    )


def _parts(report: MatrixReport) -> Table:
    return Table(
        "what each part gains",
        ("the whole less the stack …", "data", "gain", "interval", "p (Holm)"),
        tuple(
            (f"{each.first}: {each.second}", each.dataset, f"{100 * each.value:+.1f}", _interval(each),
             p_text(each.adjusted))
            for each in map(report.gained, report.parts)
        ),
    )  # fmt: skip


def _costs(report: MatrixReport) -> Table:
    rows = []
    for row in report.rows:
        cells = [entry.cell for entry in report.entries if entry.name == row.name and entry.cell is not None]
        if not cells:
            continue
        largest = max(cells, key=lambda cell: cell.cost.parameters)
        seconds = largest.cost.training_seconds
        texts = sum(len(cell.rows.truth) for cell in cells)
        rate = 1000 * sum(cell.cost.inference_seconds for cell in cells) / texts
        trained = "–" if seconds is None else f"{seconds:,.0f} s"
        rows.append(
            (row.name, f"{largest.cost.parameters:,}", bytes_text(largest.cost.bytes), trained, f"{rate:.1f} s")
        )
    return Table(
        "cost (of one language's stack)", ("stack", "parameters", "size", "training", "1,000 rows"), tuple(rows)
    )


def _interval(each: Comparison) -> str:
    return f"[{100 * each.low:+.1f}, {100 * each.high:+.1f}]"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _line(cells: Sequence[str], *, escape: bool = True) -> str:
    return f"| {' | '.join(_cell(cell) if escape else cell for cell in cells)} |"


def _cell(text: str) -> str:
    for character in "\\`*_<>[]|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())

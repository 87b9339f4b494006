"""The parts of a page about answers: which are confused, how sure the model is of them, and of which texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

from lect.evaluation.calibration import expected_calibration_error, reliability
from lect.evaluation.html import plots
from lect.evaluation.html.parts import figure, folded, paragraph, shaded, table

if TYPE_CHECKING:
    from lect.evaluation.matrix.cells import Cell
    from lect.evaluation.matrix.result import MatrixReport

_MOST_LABELS = 12
Bucket = tuple[str, Callable[[int, int], bool]]


def confusions(report: MatrixReport) -> str:
    """Of every language and stack: which labels were answered for which."""
    parts: list[str] = []
    opened = False
    for column in report.columns:
        tables = []
        for row in report.rows:
            cell = report.entry(column.name, row.name).cell
            if cell is not None and cell.metric == "classification":
                tables.append(f"<div><h3>{escape(row.name)}</h3>{_confusion(cell)}</div>")
        if tables:
            is_open = column.language != report.source and not opened
            opened = opened or is_open
            parts.append(folded(column.label, f'<div class="grid">{"".join(tables)}</div>', is_open=is_open))
    if not parts:
        return ""
    said = "Rows are the true labels, columns the answers, in percent of the row: the diagonal is right."
    return paragraph(said) + "".join(parts)


def calibration(report: MatrixReport) -> str:
    """Of every stack: whether its probabilities are to be believed."""
    cells = [entry.cell for entry in report.entries if entry.cell is not None and entry.cell.rows.confidence]
    if not cells:
        return ""
    rows = []
    for column in report.columns:
        shown = [column.label and escape(column.label)]
        for row in report.rows:
            cell = report.entry(column.name, row.name).cell
            if cell is None or not cell.rows.confidence:
                shown.append("<td>–</td>")
                continue
            error = expected_calibration_error(cell.rows.confidence, cell.rows.correct)
            shown.append(shaded(f"{100 * error:.1f}", error / 0.4))
        rows.append(shown)
    series = []
    for row in report.rows:
        own = [report.entry(column.name, row.name).cell for column in report.columns]
        known = [cell for cell in own if cell is not None and cell.rows.confidence]
        stated = [value for cell in known for value in cell.rows.confidence]
        right = [value for cell in known for value in cell.rows.correct]
        if stated:
            bins = reliability(stated, right)
            series.append(plots.Line(row.name, [each.confidence for each in bins], [each.accuracy for each in bins]))
    plot = plots.lines("reliability", series, "stated probability", "share right", diagonal=True, points=True)
    said = "Expected calibration error × 100 (0 is perfect): how far, on average, the probability of an answer is "
    said += "from the share of such answers that are right."
    caption = "All languages together. Below the dotted line the model is surer than it should be."
    heat = table(["", *(escape(row.name) for row in report.rows)], rows, "heat")
    return f'{paragraph(said)}<div class="grid"><div>{heat}</div>{figure(plot, caption)}</div>'


def breakdowns(report: MatrixReport) -> str:
    """The share of right answers by the texts' length, and by how much of them is unknown."""
    by_length = _breakdown(report, _LENGTHS)
    if not by_length:
        return ""
    header = ["", *(escape(row.name) for row in report.rows)]
    shares = []
    for column in report.columns:
        shown = [escape(column.label)]
        for row in report.rows:
            cell = report.entry(column.name, row.name).cell
            shown.append("<td>–</td>" if cell is None else f"<td>{_tokens(cell)}</td>")
        shares.append(shown)
    said = "Percent of the answers that are right, all languages together; small: the number of texts."
    unknown = _breakdown(report, _UNKNOWN)
    return (
        paragraph(said)
        + '<div class="grid">'
        + f"<div><h3>By length, in tokens</h3>{table(header, by_length, 'heat')}</div>"
        + f"<div><h3>By the share of unknown tokens</h3>{table(header, unknown, 'heat')}</div>"
        + "<div><h3>Tokens a text, and percent unknown</h3>"
        + table(header, shares)
        + "</div></div>"
    )


def _confusion(cell: Cell) -> str:
    answers = cell.report.variants[0].predictions
    support = Counter(cell.rows.truth)
    labels = sorted({*cell.rows.truth, *answers})
    if len(labels) > _MOST_LABELS:
        labels = [label for label, _ in support.most_common(_MOST_LABELS)]
    counts = Counter(zip(cell.rows.truth, answers, strict=True))
    rows = []
    for true in labels:
        total = support[true]
        shares = [counts[true, answer] / total if total else 0.0 for answer in labels]
        rows.append([escape(true), *(shaded(f"{100 * share:.0f}", share) for share in shares), f"{total:,}"])
    return table(["", *(escape(label) for label in labels), "rows"], rows, "confusion")


def _breakdown(report: MatrixReport, buckets: Sequence[Bucket]) -> list[list[str]]:
    """A row a bucket that any text falls into, a column a stack."""
    found = []
    for name, holds in buckets:
        shown, any_text = [name], False
        for row in report.rows:
            right = total = 0
            for column in report.columns:
                cell = report.entry(column.name, row.name).cell
                if cell is None or not cell.rows.correct:
                    continue
                for tokens, unknown, correct in zip(
                    cell.rows.tokens, cell.rows.unknown, cell.rows.correct, strict=True
                ):
                    if holds(tokens, unknown):
                        total, right = total + 1, right + correct
            any_text = any_text or total > 0
            content = f"{100 * right / total:.1f}<small>{total:,}</small>" if total else "–"
            shown.append(shaded(content, right / total if total else 0.0))
        if any_text:
            found.append(shown)
    return found


def _tokens(cell: Cell) -> str:
    total = sum(cell.rows.tokens)
    mean = total / max(1, len(cell.rows.tokens))
    return f"{mean:.1f}<small>{100 * sum(cell.rows.unknown) / max(1, total):.1f} %</small>"


def _between(low: int, high: int | None) -> Callable[[int, int], bool]:
    return lambda tokens, _unknown: low <= tokens and (high is None or tokens <= high)


def _unknown_between(low: float, high: float) -> Callable[[int, int], bool]:
    return lambda tokens, unknown: low < unknown / max(1, tokens) <= high


_LENGTHS: tuple[Bucket, ...] = (
    ("1–16", _between(0, 16)),
    ("17–32", _between(17, 32)),
    ("33–64", _between(33, 64)),
    ("65–128", _between(65, 128)),
    ("more", _between(129, None)),
)
_UNKNOWN: tuple[Bucket, ...] = (
    ("none", lambda _tokens, unknown: unknown == 0),
    ("up to 5 %", _unknown_between(0, 0.05)),
    ("5–20 %", _unknown_between(0.05, 0.2)),
    ("over 20 %", _unknown_between(0.2, 1.0)),
)

"""The parts of a page about answers: which are confused, how sure the model is of them, and of which texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

from lect.evaluation.calibration import expected_calibration_error, reliability
from lect.evaluation.html import plots
from lect.evaluation.html.parts import figure, folded, foreign, paragraph, shaded, table
from lect.evaluation.html.scores import column_label
from lect.locales import Locale, message

if TYPE_CHECKING:
    from lect.evaluation.matrix.cells import Cell
    from lect.evaluation.matrix.result import MatrixReport

_MOST_LABELS = 12
Bucket = tuple[str, Callable[[int, int], bool]]


def confusions(report: MatrixReport, locale: Locale) -> str:
    """Of every language and stack: which labels were answered for which."""
    parts: list[str] = []
    opened = False
    for column in report.columns:
        tables = []
        for row in report.rows:
            cell = report.entry(column.name, row.name).cell
            if cell is not None and cell.metric == "classification":
                tables.append(f"<div><h3>{foreign(row.name)}</h3>{_confusion(cell, locale)}</div>")
        if tables:
            is_open = column.language != report.source and not opened
            opened = opened or is_open
            parts.append(
                folded(column_label(column, locale), f'<div class="grid">{"".join(tables)}</div>', is_open=is_open)
            )
    if not parts:
        return ""
    said = locale.gettext(
        "Rows are the true labels, columns the answers, in percent of the row: the diagonal is right."
    )
    return paragraph(said) + "".join(parts)


def calibration(report: MatrixReport, locale: Locale) -> str:
    """Of every stack: whether its probabilities are to be believed."""
    cells = [entry.cell for entry in report.entries if entry.cell is not None and entry.cell.rows.confidence]
    if not cells:
        return ""
    rows = []
    for column in report.columns:
        shown = [escape(column_label(column, locale))]
        for row in report.rows:
            cell = report.entry(column.name, row.name).cell
            if cell is None or not cell.rows.confidence:
                shown.append("<td>–</td>")
                continue
            error = expected_calibration_error(cell.rows.confidence, cell.rows.correct)
            shown.append(shaded(locale.format(100 * error, ".1f"), error / 0.4))
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
    axes = (locale.gettext("stated probability"), locale.gettext("share right"))
    plot = plots.lines(locale.gettext("reliability"), series, *axes, locale, diagonal=True, points=True)
    said = locale.gettext(
        "Expected calibration error × 100 (0 is perfect): how far, on average, the probability of an answer is from "
        "the share of such answers that are right."
    )
    caption = locale.gettext("All languages together. Below the dotted line the model is surer than it should be.")
    heat = table(["", *(foreign(row.name) for row in report.rows)], rows, "heat")
    return f'{paragraph(said)}<div class="grid"><div>{heat}</div>{figure(plot, caption)}</div>'


def breakdowns(report: MatrixReport, locale: Locale) -> str:
    """The share of right answers by the texts' length, and by how much of them is unknown."""
    by_length = _breakdown(report, _LENGTHS, locale)
    if not by_length:
        return ""
    header = ["", *(foreign(row.name) for row in report.rows)]
    shares = []
    for column in report.columns:
        shown = [escape(column_label(column, locale))]
        for row in report.rows:
            cell = report.entry(column.name, row.name).cell
            shown.append("<td>–</td>" if cell is None else f"<td>{_tokens(cell, locale)}</td>")
        shares.append(shown)
    said = locale.gettext("Percent of the answers that are right, all languages together; small: the number of texts.")
    boxes = (
        (locale.gettext("By length, in tokens"), table(header, by_length, "heat")),
        (
            locale.gettext("By the share of unknown tokens"),
            table(header, _breakdown(report, _UNKNOWN, locale), "heat"),
        ),
        (locale.gettext("Tokens a text, and percent unknown"), table(header, shares)),
    )
    grid = "".join(f"<div><h3>{escape(heading)}</h3>{content}</div>" for heading, content in boxes)
    return f'{paragraph(said)}<div class="grid">{grid}</div>'


def _confusion(cell: Cell, locale: Locale) -> str:
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
        rows.append([foreign(true), *(shaded(f"{100 * share:.0f}", share) for share in shares), locale.format(total)])
    header = ["", *(foreign(label) for label in labels), escape(locale.gettext("rows"))]
    return table(header, rows, "confusion")


def _breakdown(report: MatrixReport, buckets: Sequence[Bucket], locale: Locale) -> list[list[str]]:
    """A row a bucket that any text falls into, a column a stack."""
    found = []
    for name, holds in buckets:
        shown, any_text = [escape(locale.term(name))], False
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
            share = locale.format(100 * right / total if total else 0.0, ".1f")
            content = f"{share}<small>{locale.format(total)}</small>" if total else "–"
            shown.append(shaded(content, right / total if total else 0.0))
        if any_text:
            found.append(shown)
    return found


def _tokens(cell: Cell, locale: Locale) -> str:
    total = sum(cell.rows.tokens)
    mean = locale.format(total / max(1, len(cell.rows.tokens)), ".1f")
    unknown = locale.format(100 * sum(cell.rows.unknown) / max(1, total), ".1f")
    return f"{mean}<small>{locale.gettext('{number} %', number=unknown)}</small>"


def _between(low: int, high: int | None) -> Callable[[int, int], bool]:
    return lambda tokens, _unknown: low <= tokens and (high is None or tokens <= high)


def _unknown_between(low: float, high: float) -> Callable[[int, int], bool]:
    return lambda tokens, unknown: low < unknown / max(1, tokens) <= high


_LENGTHS: tuple[Bucket, ...] = (
    ("1–16", _between(0, 16)),
    ("17–32", _between(17, 32)),
    ("33–64", _between(33, 64)),
    ("65–128", _between(65, 128)),
    (message("more"), _between(129, None)),
)
_UNKNOWN: tuple[Bucket, ...] = (
    (message("none"), lambda _tokens, unknown: unknown == 0),
    (message("up to 5 %"), _unknown_between(0, 0.05)),
    (message("5–20 %"), _unknown_between(0.05, 0.2)),
    (message("over 20 %"), _unknown_between(0.2, 1.0)),
)

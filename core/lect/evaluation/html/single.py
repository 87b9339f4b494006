"""The report of one stack as a page that can be read without anything else at hand."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lect.evaluation.html.parts import foreign, paragraph, recorded, table
from lect.evaluation.render import facts, sentences, tables

if TYPE_CHECKING:
    from lect.evaluation.render import Table
    from lect.evaluation.report import EvaluationReport
    from lect.locales import Locale


def content(report: EvaluationReport, locale: Locale) -> str:
    """What stands below the title, as HTML: the same tables as in Markdown, every interval with them."""
    said = "".join(recorded(remark) for remark in report.remarks)
    shown = "".join(_table(each) for each in tables(report, None, locale))
    legend, *others = sentences(report, locale)
    notes = paragraph(legend, "dim") + "".join(recorded(sentence, "dim") for sentence in others)
    return paragraph(facts(report, locale), "dim") + said + shown + notes


def _table(plain: Table) -> str:
    rows = []
    for y, row in enumerate(plain.rows):
        first, *others = (foreign(row[0]), *map(escape, row[1:]))
        cells = [f'<td class="unsure">{cell}</td>' if (y, x) in plain.dim else cell for x, cell in enumerate(others, 1)]
        rows.append([first, *cells])
    return table([foreign(name) for name in plain.header], rows)

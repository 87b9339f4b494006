"""An audit as tables: for the terminal, as Markdown, and as the section of a component's card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from lect.auditing.report import AuditReport, Counterfactual, DataBias, Parity
from lect.evaluation.html.parts import document, foreign, fragment, paragraph, recorded, section, table
from lect.evaluation.matrix.render import Table, markdown_table, p_text
from lect.evaluation.render import interval_text, readable
from lect.locales import ENGLISH, Locale, message


def renderables(report: AuditReport) -> Iterator[Any]:
    """What `rich` prints for an audit."""
    from rich.padding import Padding
    from rich.table import Table as RichTable
    from rich.text import Text

    yield Text(report.title, style="bold")
    yield Text(f"{report.stack} · {report.backbone}", style="dim")
    for plain, said in _tables(report):
        yield Text("")
        yield Text(plain.heading, style="bold")
        columns = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for place, name in enumerate(plain.header):
            columns.add_column(Text(name), justify="right" if place else "left", overflow="fold")
        for row in plain.rows:
            columns.add_row(*(Text(cell) for cell in row))
        yield Padding(columns, (0, 0, 0, 2))
        yield Text(said, style="dim")
    for note in report.notes:
        yield Text(note, style="dim")


def markdown(report: AuditReport) -> str:
    """The audit as GitHub-flavoured Markdown."""
    lines = [f"## {report.title}", "", f"`{report.stack}` on `{report.backbone}`", ""]
    for plain, said in _tables(report):
        lines += [f"### {plain.heading}", "", *markdown_table(plain), "", said, ""]
    lines += [f"- {note}" for note in report.notes]
    return "\n".join(lines).rstrip("\n") + "\n"


def page(report: AuditReport, locale: Locale, *, inside: bool = False) -> str:
    """The audit as HTML.

    Args:
        locale: of its reader.
        inside: another page, such as a notebook.
    """
    on = locale.gettext(
        "<code>{stack}</code> on <code>{backbone}</code>", stack=escape(report.stack), backbone=escape(report.backbone)
    )
    parts = [f"<p>{on}</p>"]
    for place, (plain, said) in enumerate(_tables(report, locale)):
        rows = [[foreign(row[0]), *map(escape, row[1:])] for row in plain.rows]
        shown = table([foreign(name) for name in plain.header], rows) + paragraph(said, "dim")
        if inside:
            parts.append(f"<h4>{escape(plain.heading)}</h4>{shown}")
        else:
            parts.append(section(f"table{place}", plain.heading, shown))
    notes = (recorded(locale.term(note), "dim") for note in report.notes)
    return (fragment if inside else document)(locale, report.title, *parts, *notes)


def summary(report: AuditReport) -> list[str]:
    """What a component's card says of an audit, each a plain sentence."""
    said = []
    for each in report.parity:
        best, worst = (pick(each.groups, key=lambda group: group.value) for pick in (max, min))
        said.append(
            f"By {each.by}, {readable(each.metric)} is {100 * best.value:.1f} for {best.group} and "
            f"{100 * worst.value:.1f} for {worst.group}: a gap of {100 * each.gap:.1f} points "
            f"(95 % interval {100 * each.low:.1f} to {100 * each.high:.1f}, p {p_text(each.p)})."
        )
    for test in report.counterfactuals:
        for group in test.groups:
            largest = max(group.changes, key=lambda change: abs(change.value))
            said.append(
                f"{test.name}: of {group.pairs:,} pairs of texts that differ only in {test.reference} or "
                f"{group.group}, {group.flips:,} are answered differently; the probability of {largest.label} changes "
                f"by {100 * largest.value:+.1f} points on average (95 % interval {100 * largest.low:+.1f} to "
                f"{100 * largest.high:+.1f})."
            )
    for bias in report.data:
        said.append(
            f"In the data audited, labels by {bias.by} have an association of {bias.association:.2f} (0 none, 1 full)."
        )
    return said


def _tables(report: AuditReport, locale: Locale = ENGLISH) -> Iterator[tuple[Table, str]]:
    for each in report.parity:
        yield _parity(each, locale)
    for test in report.counterfactuals:
        yield _counterfactual(test, locale)
    for bias in report.data:
        yield _data(bias, locale)
        if bias.terms:
            yield _terms(bias, locale)


def _parity(each: Parity, locale: Locale) -> tuple[Table, str]:
    labels = list(each.groups[0].rates)
    rows = tuple(
        (
            group.group,
            locale.format(group.rows),
            f"{locale.format(100 * group.value, '.1f')} {interval_text(100 * group.low, 100 * group.high, locale)}",
            *(f"{100 * group.rates[label]:.0f} / {100 * group.true_rates[label]:.0f}" for label in labels),
        )
        for group in each.groups
    )
    said = locale.gettext(
        "Gap of the best to the worst: {gap} {interval}, p {p} (rows dealt out to groups anew). Labels: percent "
        "answered / percent true.",
        gap=locale.format(100 * each.gap, ".1f"),
        interval=interval_text(100 * each.low, 100 * each.high, locale),
        p=p_text(each.p, locale),
    )
    by = _grouping(each.by, locale)
    header = (by, locale.gettext("rows"), readable(each.metric, locale), *labels)
    return Table(locale.gettext("parity by {field}", field=by), header, rows), said


def _counterfactual(test: Counterfactual, locale: Locale) -> tuple[Table, str]:
    _ = locale.gettext
    rows = tuple(
        (
            group.group,
            _("{count} of {all}", count=locale.format(group.flips), all=locale.format(group.pairs)),
            *(
                f"{locale.format(100 * change.value, '+.1f')} "
                f"{interval_text(100 * change.low, 100 * change.high, locale, '+.1f')}"
                for change in group.changes
            ),
        )
        for group in test.groups
    )
    labels = [change.label for change in test.groups[0].changes]
    said = _(
        "{count} templates. Against {reference}: pairs with another answer, and the mean change of each label's "
        "probability × 100, with its interval over templates.",
        count=locale.format(test.templates),
        reference=test.reference,
    )
    shown = [
        " "
        + _(
            "“{text}” is {answer}, “{other}” is {other_answer}.", text=one, answer=before, other=two, other_answer=after
        )
        for group in test.groups
        for one, before, two, after in group.examples[:1]
    ]
    heading = _("counterfactual: {name}", name=test.name)
    return Table(heading, (_("group"), _("flips"), *labels), rows), said + "".join(shown)


def _data(bias: DataBias, locale: Locale) -> tuple[Table, str]:
    _ = locale.gettext
    labels = list(next(iter(bias.counts.values())))
    rows = tuple((group, *_counts(counts, labels, locale)) for group, counts in bias.counts.items())
    by = _grouping(bias.by, locale)
    said = _(
        "Balance of the labels {balance} (1: all as frequent); association of {field} and label {association} "
        "(Cramér's V: 0 none, 1 full).",
        balance=locale.format(bias.balance, ".2f"),
        field=by,
        association=locale.format(bias.association, ".2f"),
    )
    return Table(_("labels by {field}", field=by), (by, *labels, _("rows")), rows), said


def _terms(bias: DataBias, locale: Locale) -> tuple[Table, str]:
    _ = locale.gettext
    labels = list(bias.terms[0].lift)
    rows = tuple(
        (t.term, locale.format(t.rows), *(locale.format(t.lift[label], ".2f") if t.rows else "–" for label in labels))
        for t in bias.terms
    )
    said = _(
        "Lift: a label's share among the rows with the term over its share among all; 1 where the term says nothing."
    )
    return Table(_("terms and labels"), (_("term"), _("rows"), *labels), rows), said


def _grouping(field: str, locale: Locale) -> str:
    """What rows are grouped by: their language, or a field that has a name of its author's."""
    return locale.term(field) if field == _LANGUAGE else field


_LANGUAGE = message("language")


def _counts(counts: Mapping[str, int], labels: Sequence[str], locale: Locale) -> list[str]:
    return [*(locale.format(counts[label]) for label in labels), locale.format(sum(counts.values()))]

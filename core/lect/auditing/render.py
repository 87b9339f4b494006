"""An audit as tables: for the terminal, as Markdown, and as the section of a component's card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from lect.auditing.report import AuditReport, Counterfactual, DataBias, Parity
from lect.evaluation.html.parts import fragment as in_page
from lect.evaluation.html.parts import paragraph, table
from lect.evaluation.matrix.render import Table, markdown_table, p_text
from lect.evaluation.render import readable


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


def fragment(report: AuditReport) -> str:
    """The audit as HTML, inside another page."""
    parts = [f"<p><code>{escape(report.stack)}</code> on <code>{escape(report.backbone)}</code></p>"]
    for plain, said in _tables(report):
        rows = [[escape(cell) for cell in row] for row in plain.rows]
        shown = table([escape(name) for name in plain.header], rows)
        parts += [f"<h4>{escape(plain.heading)}</h4>", shown, paragraph(said, "dim")]
    return in_page(report.title, *parts, *(paragraph(note, "dim") for note in report.notes))


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


def _tables(report: AuditReport) -> Iterator[tuple[Table, str]]:
    for each in report.parity:
        yield _parity(each)
    for test in report.counterfactuals:
        yield _counterfactual(test)
    for bias in report.data:
        yield _data(bias)
        if bias.terms:
            yield _terms(bias)


def _parity(each: Parity) -> tuple[Table, str]:
    labels = list(each.groups[0].rates)
    rows = tuple(
        (
            group.group,
            f"{group.rows:,}",
            f"{100 * group.value:.1f} [{100 * group.low:.1f}, {100 * group.high:.1f}]",
            *(f"{100 * group.rates[label]:.0f} / {100 * group.true_rates[label]:.0f}" for label in labels),
        )
        for group in each.groups
    )
    said = (
        f"Gap of the best to the worst: {100 * each.gap:.1f} [{100 * each.low:.1f}, {100 * each.high:.1f}], "
        f"p {p_text(each.p)} (rows dealt out to groups anew). Labels: percent answered / percent true."
    )
    return Table(f"parity by {each.by}", (each.by, "rows", readable(each.metric), *labels), rows), said


def _counterfactual(test: Counterfactual) -> tuple[Table, str]:
    rows = tuple(
        (
            group.group,
            f"{group.flips:,} of {group.pairs:,}",
            *(
                f"{100 * change.value:+.1f} [{100 * change.low:+.1f}, {100 * change.high:+.1f}]"
                for change in group.changes
            ),
        )
        for group in test.groups
    )
    labels = [change.label for change in test.groups[0].changes]
    said = f"{test.templates:,} templates. Against {test.reference}: pairs with another answer, and the mean change of "
    said += "each label's probability × 100, with its interval over templates."
    shown = [
        f" “{one}” is {before}, “{two}” is {after}."
        for group in test.groups
        for one, before, two, after in group.examples[:1]
    ]
    return Table(f"counterfactual: {test.name}", ("group", "flips", *labels), rows), said + "".join(shown)


def _data(bias: DataBias) -> tuple[Table, str]:
    labels = list(next(iter(bias.counts.values())))
    rows = tuple((group, *_counts(counts, labels)) for group, counts in bias.counts.items())
    said = f"Balance of the labels {bias.balance:.2f} (1: all as frequent); association of {bias.by} and label "
    said += f"{bias.association:.2f} (Cramér's V: 0 none, 1 full)."
    return Table(f"labels by {bias.by}", (bias.by, *labels, "rows"), rows), said


def _terms(bias: DataBias) -> tuple[Table, str]:
    labels = list(bias.terms[0].lift)
    rows = tuple(
        (t.term, f"{t.rows:,}", *(f"{t.lift[label]:.2f}" if t.rows else "–" for label in labels)) for t in bias.terms
    )
    said = "Lift: a label's share among the rows with the term over its share among all; 1 where the term says nothing."
    return Table("terms and labels", ("term", "rows", *labels), rows), said


def _counts(counts: Mapping[str, int], labels: Sequence[str]) -> list[str]:
    return [*(f"{counts[label]:,}" for label in labels), f"{sum(counts.values()):,}"]

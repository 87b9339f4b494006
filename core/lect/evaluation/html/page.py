"""A matrix as one page that can be read without anything else at hand."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lect.counts import number_of
from lect.evaluation.html import errors, plots, scores
from lect.evaluation.html.glossary import meaning_of
from lect.evaluation.html.parts import document, fragment, paragraph, section
from lect.evaluation.matrix.render import facts, remarks
from lect.evaluation.render import marked, readable
from lect.scores import direction_of

if TYPE_CHECKING:
    from lect.evaluation.matrix.result import MatrixReport


def page(report: MatrixReport, *, inside: bool = False) -> str:
    """The page as HTML.

    Args:
        inside: another page, such as a notebook.

    Raises:
        UserError: matplotlib is not installed.
    """
    sections = [
        ("scores", "Scores", scores.heat_map(report)),
        ("gap", "Gap to the source language", scores.gaps(report)),
        ("parts", "What each part gains", scores.part_gains(report)),
        ("tests", "Stacks compared", scores.comparisons(report)),
        ("cost", "Cost", scores.costs(report)),
        ("curves", "Learning curves", _curves(report)),
        ("confusion", "Confusion", errors.confusions(report)),
        ("calibration", "Calibration", errors.calibration(report)),
        ("breakdown", "Length and unknown tokens", errors.breakdowns(report)),
        ("words", "What the words mean", _words(report)),
    ]
    shown = [(anchor, title, content) for anchor, title, content in sections if content]
    links = "".join(f'<a href="#{anchor}">{escape(title)}</a>' for anchor, title, _ in shown)
    nav = "" if inside else f"<nav>{links}</nav>"
    body = "".join(section(anchor, title, content) for anchor, title, content in shown)
    note = paragraph(" ".join(report.note.split())) if report.note else ""
    said = "".join(paragraph(remark) for remark in remarks(report))
    return (fragment if inside else document)(
        report.title,
        f'<p class="dim">{escape(facts(report))}</p>{said}{note}',
        f'<div class="short">{scores.in_short(report)}</div>{nav}{body}',
    )


def _curves(report: MatrixReport) -> str:
    if not report.curves:
        return ""
    drawn = []
    for curve in report.curves:
        loss = plots.Line("loss", curve.steps, curve.losses)
        found = [plots.lines(f"loss of {curve.component} by step", [loss], "step", "training loss")]
        if curve.validation:
            name = readable(curve.validation_name)
            score = plots.Line(name, curve.validation_steps, [100 * each for each in curve.validation])
            label = f"{name} of {curve.component} on validation rows"
            direction = direction_of(curve.validation_name, {report.main: report.direction})
            shown = f"validation {marked(curve.validation_name, direction)}"
            found.append(plots.lines(label, [score], "step", shown, points=True))
        caption = f"{curve.component}, {number_of(curve.steps[-1], 'step')}"
        drawn.append(f"<figure><figcaption>{escape(caption)}</figcaption>{''.join(found)}</figure>")
    said = "How each component's loss fell while it was trained, as far as its run's log lay beside the report."
    return paragraph(said) + f'<div class="grid">{"".join(drawn)}</div>'


def _words(report: MatrixReport) -> str:
    cells = [entry.cell for entry in report.entries if entry.cell is not None]
    data = "".join(
        f"<li><b>{escape(column.name)}</b> ({escape(column.label)}): {number_of(column.rows, 'row')}, "
        f"<code>{escape(column.source)}</code>{f', licence {escape(column.licence)}' if column.licence else ''}</li>"
        for column in report.columns
    )
    stacks = "".join(
        f"<li><b>{escape(row.name)}</b>: <code>{escape(row.pattern or 'the bare backbone')}</code>"
        + (f"; where a component is absent, <code>{escape(row.fallback)}</code>" if row.fallback is not None else "")
        + "</li>"
        for row in report.rows
    )
    said = [
        ("Data sets", f"The labelled rows that every stack is scored on.<ul>{data}</ul>"),
        (
            "Stacks",
            f"The backbone <code>{escape(report.backbone)}</code> is a multilingual model that stays as it is. A stack "
            "composes small trained components onto it: <code>lang:…</code> adapts it to a language, "
            "<code>task:…</code> makes it answer a task; <code>{language}</code> stands for the language of the "
            f"column.<ul>{stacks}</ul>",
        ),
        ("The score", _metric_words(report)),
        ("Intervals", escape(meaning_of("confidence interval"))),
        (
            "Significance",
            f"Two stacks are scored on the same {report.resamples:,} resamples (paired bootstrap, Koehn 2004); p is "
            "two-sided. Since many comparisons find some difference by chance, p is adjusted by Holm's procedure over "
            f"all comparisons of one table; below {report.alpha:g} a difference is called significant.",
        ),
        *((word[:1].upper() + word[1:], escape(meaning_of(word))) for word in _FROM_THE_GLOSSARY),
    ]
    hardware = sorted({name for cell in cells for name in cell.cost.hardware})
    if hardware:
        said.append(("Hardware", "Components were trained on: " + escape("; ".join(hardware)) + "."))
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    left_out = f"<h3>Left out</h3><ul>{notes}</ul>" if notes else ""
    return f"<dl>{''.join(f'<dt>{escape(word)}</dt><dd>{text}</dd>' for word, text in said)}</dl>{left_out}"


def _metric_words(report: MatrixReport) -> str:
    name = escape(readable(report.main))
    if report.direction == "lower":
        return f"{name}, times 100: a distance, the lower the better, as the task's head reports it."
    if (word := _METRICS.get(report.main)) is not None:
        return escape(f"{word[:1].upper()}{word[1:]}: {meaning_of(word)}")
    return f"{name}: between 0 and 100, more is better, as the task's head reports it."


_METRICS = {"macro_f1": "macro F1", "recall@1": "recall@1"}
_FROM_THE_GLOSSARY = ("gap to the source", "calibration error", "token")

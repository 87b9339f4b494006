"""A matrix as one page that can be read without anything else at hand."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lect.evaluation.html import errors, plots, scores
from lect.evaluation.html.glossary import explained
from lect.evaluation.html.parts import document, foreign, fragment, paragraph, recorded, section
from lect.evaluation.matrix.render import facts, remarks
from lect.evaluation.render import marked, readable
from lect.locales import Locale
from lect.scores import direction_of

if TYPE_CHECKING:
    from lect.evaluation.matrix.result import MatrixReport


def page(report: MatrixReport, locale: Locale, *, inside: bool = False) -> str:
    """The page as HTML.

    Args:
        locale: of its reader.
        inside: another page, such as a notebook.

    Raises:
        UserError: matplotlib is not installed.
    """
    _ = locale.gettext
    sections = [
        ("scores", _("Scores"), scores.heat_map(report, locale)),
        ("gap", _("Gap to the source language"), scores.gaps(report, locale)),
        ("parts", _("What each part gains"), scores.part_gains(report, locale)),
        ("tests", _("Stacks compared"), scores.comparisons(report, locale)),
        ("cost", _("Cost"), scores.costs(report, locale)),
        ("curves", _("Learning curves"), _curves(report, locale)),
        ("confusion", _("Confusion"), errors.confusions(report, locale)),
        ("calibration", _("Calibration"), errors.calibration(report, locale)),
        ("breakdown", _("Length and unknown tokens"), errors.breakdowns(report, locale)),
        ("words", _("What the words mean"), _words(report, locale)),
    ]
    shown = [(anchor, title, content) for anchor, title, content in sections if content]
    links = "".join(f'<a href="#{anchor}">{escape(title)}</a>' for anchor, title, _ in shown)
    nav = "" if inside else f"<nav>{links}</nav>"
    body = "".join(section(anchor, title, content) for anchor, title, content in shown)
    note = recorded(" ".join(report.note.split())) if report.note else ""
    said = "".join(recorded(remark) for remark in remarks(report))
    return (fragment if inside else document)(
        locale,
        report.title,
        f'<p class="dim">{escape(facts(report, locale))}</p>{said}{note}',
        f'<div class="short">{scores.in_short(report, locale)}</div>{nav}{body}',
    )


def _curves(report: MatrixReport, locale: Locale) -> str:
    if not report.curves:
        return ""
    _ = locale.gettext
    drawn, step = [], _("step")
    for curve in report.curves:
        loss = plots.Line(_("loss"), curve.steps, curve.losses)
        title = _("loss of {component} by step", component=curve.component)
        found = [plots.lines(title, [loss], step, _("training loss"), locale)]
        if curve.validation:
            name = readable(curve.validation_name, locale)
            score = plots.Line(name, curve.validation_steps, [100 * each for each in curve.validation])
            label = _("{metric} of {component} on validation rows", metric=name, component=curve.component)
            direction = direction_of(curve.validation_name, {report.main: report.direction})
            shown = _("validation {metric}", metric=marked(curve.validation_name, direction, locale))
            found.append(plots.lines(label, [score], step, shown, locale, points=True))
        caption = f"{curve.component}, {locale.ngettext('{count} step', '{count} steps', curve.steps[-1])}"
        drawn.append(f"<figure><figcaption>{escape(caption)}</figcaption>{''.join(found)}</figure>")
    said = _("How each component's loss fell while it was trained, as far as its run's log lay beside the report.")
    return paragraph(said) + f'<div class="grid">{"".join(drawn)}</div>'


def _words(report: MatrixReport, locale: Locale) -> str:
    _ = locale.gettext
    cells = [entry.cell for entry in report.entries if entry.cell is not None]
    data = "".join(
        f"<li><b>{escape(column.name)}</b> ({escape(scores.column_label(column, locale))}): "
        f"{locale.ngettext('{count} row', '{count} rows', column.rows)}, <code>{escape(column.source)}</code>"
        f"{escape(_(', licence {name}', name=column.licence)) if column.licence else ''}</li>"
        for column in report.columns
    )
    stacks = "".join(
        f"<li><b>{foreign(row.name)}</b>: <code>{escape(row.pattern or _('the bare backbone'))}</code>"
        f"{_fallback(row.fallback, locale)}</li>"
        for row in report.rows
    )
    said = [
        (_("Data sets"), f"{_('The labelled rows that every stack is scored on.')}<ul>{data}</ul>"),
        (
            _("Stacks"),
            _(
                "The backbone <code>{backbone}</code> is a multilingual model that stays as it is. A stack composes "
                "small trained components onto it: <code>lang:…</code> adapts it to a language, <code>task:…</code> "
                "makes it answer a task; <code>{pattern}</code> stands for the language of the column.",
                backbone=escape(report.backbone),
                pattern="{language}",
            )
            + f"<ul>{stacks}</ul>",
        ),
        (_("The score"), _metric_words(report, locale)),
        (_("Intervals"), escape(explained("confidence interval", locale)[1])),
        (
            _("Significance"),
            _(
                "Two stacks are scored on the same {resamples} resamples (paired bootstrap, Koehn 2004); p is "
                "two-sided. Since many comparisons find some difference by chance, p is adjusted by Holm's procedure "
                "over all comparisons of one table; below {alpha} a difference is called significant.",
                resamples=locale.format(report.resamples),
                alpha=locale.format(report.alpha, "g"),
            ),
        ),
        *((word, escape(meaning)) for word, meaning in (explained(each, locale) for each in _WORDS)),
    ]
    hardware = sorted({name for cell in cells for name in cell.cost.hardware})
    if hardware:
        trained_on = _("Components were trained on: {hardware}.", hardware=escape("; ".join(hardware)))
        said.append((_("Hardware"), trained_on))
    notes = "".join(f'<li lang="" dir="auto">{escape(note)}</li>' for note in report.notes)
    left_out = f"<h3>{_('Left out')}</h3><ul>{notes}</ul>" if notes else ""
    return f"<dl>{''.join(f'<dt>{escape(word)}</dt><dd>{text}</dd>' for word, text in said)}</dl>{left_out}"


def _fallback(stack: str | None, locale: Locale) -> str:
    if stack is None:
        return ""
    return locale.gettext("; where a component is absent, <code>{stack}</code>", stack=escape(stack))


def _metric_words(report: MatrixReport, locale: Locale) -> str:
    _, name = locale.gettext, escape(readable(report.main, locale))
    if report.direction == "lower":
        return _("{metric}, times 100: a distance, the lower the better, as the task's head reports it.", metric=name)
    if (word := _METRICS.get(report.main)) is not None:
        name, meaning = explained(word, locale)
        return escape(locale.gettext("{word}: {meaning}", word=name, meaning=meaning))
    return _("{metric}: between 0 and 100, more is better, as the task's head reports it.", metric=name)


_METRICS = {"macro_f1": "macro F1", "recall@1": "recall@1"}
_WORDS = ("gap to the source", "calibration error", "token")

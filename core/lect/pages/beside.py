"""A comparison as tables: for the terminal, and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from lect.evaluation.html import plots
from lect.evaluation.html.parts import document, paragraph, section, table, text_cell, text_heading
from lect.evaluation.matrix.render import p_text
from lect.evaluation.render import interval_text, marked
from lect.locales import ENGLISH, Locale, message
from lect.pages.comparison import Compared, ScorePair
from lect.pages.page import curve_plot, score_plot
from lect.pages.things import Run, Thing
from lect.visible import visible

_ALPHA = 0.05


def score_rows(compared: Compared, locale: Locale = ENGLISH, *, labels: bool) -> list[tuple[str, str, str, str, str]]:
    """Name, both values, their difference and which is ahead, as text.

    Args:
        labels: those of single labels, too.
    """
    several = len({each.on for each in compared.scores}) > 1
    return [
        (
            f"{marked(each.name, each.direction, locale)}{f', {locale.term(each.on)}' if several else ''}",
            _number(each, each.first, locale),
            _number(each, each.second, locale),
            _number(each, each.difference, locale, "+"),
            each.ahead,
        )
        for each in compared.scores
        if labels or "[" not in each.name
    ]


def sentences(compared: Compared, locale: Locale = ENGLISH) -> Iterator[str]:
    """What the test says, what is the same, and how scores are to be read."""
    _ = locale.gettext
    if compared.test is not None:
        test, main = compared.test, compared.scores[0]
        low, high = sorted((100 * test.low, 100 * test.high))
        values = {
            "metric": marked(main.name, main.direction, locale),
            "difference": locale.format(100 * test.value, "+.1f"),
            "interval": interval_text(low, high, locale, "+.1f"),
            "p": f"p {'' if test.p < 0.001 else '= '}{p_text(test.p, locale).replace('<', '< ')}",
        }
        if test.p < _ALPHA:
            yield _(
                "{metric}, B less A: {difference} {interval}, {p} (paired bootstrap on the same rows, two-sided).",
                **values,
            )
        else:
            yield _(
                "{metric}, B less A: {difference} {interval}, {p} (paired bootstrap on the same rows, two-sided): "
                "chance may explain it.",
                **values,
            )
    if compared.untested:
        yield _("Not tested: {reason}.", reason=locale.term(compared.untested))
    if any(each.is_share for each in compared.scores):
        yield _("Scores × 100.")
    if any(each.direction == "lower" for each in compared.scores):
        yield _("↓: the lower, the better.")
    if not compared.groups:
        yield _("Nothing else differs.")
    elif compared.same:
        yield locale.ngettext(
            "{count} other field is the same in both.", "{count} other fields are the same in both.", compared.same
        )


def value_text(value: Any, locale: Locale = ENGLISH) -> str:
    """A field's value as it is shown."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return locale.format(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def comparison_page(compared: Compared, first: Thing, second: Thing, locale: Locale = ENGLISH) -> str:
    """The comparison as one page that needs nothing else, in the language of its reader."""
    _ = locale.gettext
    head = table(("", ""), (("A", text_cell(compared.first)), ("B", text_cell(compared.second))), "facts")
    said = "".join(paragraph(sentence) for sentence in sentences(compared, locale))
    parts = [f'<div class="short">{said}</div>']
    if rows := score_rows(compared, locale, labels=True):
        cells = ([escape(name), *map(escape, others)] for name, *others in rows)
        header = (_("score"), "A", "B", "B − A", _("ahead"))
        parts.append(section("scores", _("Scores"), table(header, cells)))
    if isinstance(first, Run) and isinstance(second, Run):
        curves = "".join(_curves(first, second, locale))
        parts.append(section("curves", _("Curves"), f'<div class="grid">{curves}</div>'))
    for name, fields in compared.groups.items():
        shown = (
            [
                escape(locale.term(each.name) if each.name in _FIELDS else each.name),
                *(text_cell(value_text(value, locale)) for value in (each.first, each.second)),
            ]
            for each in fields
        )
        headings = ("", text_heading("A"), text_heading("B"))
        parts.append(section(name, _("What differs: {group}", group=locale.term(name)), table(headings, shown)))
    return visible(document(locale, locale.term(_TITLES[compared.kind]), head, *parts))


_FIELDS = (
    message("recipe"),
    message("run"),
    message("steps"),
    message("seconds"),
    message("last loss"),
    message("tokens a second, median"),
    message("memory, GB"),
    message("environment"),
    message("computed on"),
    message("component"),
    message("name"),
    message("version"),
    message("languages"),
    message("licence"),
    message("backbone"),
    message("trained over"),
    message("labels"),
    message("made as"),
    message("parameters"),
    message("all"),
    message("bytes"),
    message("data"),
    message("training"),
    message("hardware"),
    message("report"),
    message("title"),
    message("dataset"),
    message("rows"),
)
"""Of fields that `lect` names itself; those of recipes have the names that their authors write."""
_TITLES = {
    "run": message("Two runs compared"),
    "component": message("Two components compared"),
    "report": message("Two reports compared"),
}


def _curves(first: Run, second: Run, locale: Locale) -> Iterator[str]:
    _ = locale.gettext
    pairs = (("A", first), ("B", second))
    losses = {name: [(int(each["step"]), each["loss"]) for each in run.steps if "loss" in each] for name, run in pairs}
    if lines := _lines(losses):
        yield curve_plot(_("loss by step"), lines, _("loss"), _("A is drawn through, B is dashed."), locale)
    if first.main and first.main == second.main:
        name = first.main
        scores = {
            label: [(step, found[name]) for step, found in run.validations if name in found] for label, run in pairs
        }
        yield score_plot(marked(name, first.direction(name), locale), _lines(scores), locale)


def _lines(points: dict[str, list[tuple[int, float]]]) -> Sequence[plots.Line]:
    return [plots.Line(name, *map(list, zip(*own, strict=True))) for name, own in points.items() if own]


def _number(score: ScorePair, value: float | None, locale: Locale, sign: str = "") -> str:
    if value is None:
        return "–"
    return locale.format(100 * value, f"{sign}.1f") if score.is_share else locale.format(value, f"{sign}.4f")

"""A comparison as tables: for the terminal, and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from lect.evaluation.html import plots
from lect.evaluation.html.parts import document, paragraph, section, table, text_cell
from lect.evaluation.matrix.render import p_text
from lect.evaluation.render import marked
from lect.pages.comparison import Compared, ScorePair
from lect.pages.page import curve_plot
from lect.pages.things import Run, Thing
from lect.visible import visible

_ALPHA = 0.05
_SCORES = ("score", "A", "B", "B − A", "ahead")


def score_rows(compared: Compared, *, labels: bool) -> list[tuple[str, str, str, str, str]]:
    """Name, both values, their difference and which is ahead, as text.

    Args:
        labels: those of single labels, too.
    """
    several = len({each.on for each in compared.scores}) > 1
    return [
        (
            f"{marked(each.name, each.direction)}{f', {each.on}' if several else ''}",
            _number(each, each.first),
            _number(each, each.second),
            _number(each, each.difference, "+"),
            each.ahead,
        )
        for each in compared.scores
        if labels or "[" not in each.name
    ]


def sentences(compared: Compared) -> Iterator[str]:
    """What the test says, what is the same, and how scores are to be read."""
    if compared.test is not None:
        test, main = compared.test, compared.scores[0]
        low, high = sorted((100 * test.low, 100 * test.high))
        yield (
            f"{marked(main.name, main.direction)}, B less A: {100 * test.value:+.1f} [{low:+.1f}, {high:+.1f}], "
            f"p {'' if test.p < 0.001 else '= '}{p_text(test.p).replace('<', '< ')} "
            f"(paired bootstrap on the same rows, two-sided){': chance may explain it' if test.p >= _ALPHA else ''}."
        )
    if compared.untested:
        yield f"Not tested: {compared.untested}."
    if any(each.is_share for each in compared.scores):
        yield "Scores × 100."
    if any(each.direction == "lower" for each in compared.scores):
        yield "↓: the lower, the better."
    if not compared.groups:
        yield "Nothing else differs."
    elif compared.same:
        yield f"{compared.same:,} other field{'s are' if compared.same > 1 else ' is'} the same in both."


def value_text(value: Any) -> str:
    """A field's value as it is shown."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def comparison_page(compared: Compared, first: Thing, second: Thing) -> str:
    """The comparison as one page that needs nothing else."""
    head = table(("", ""), (("A", text_cell(compared.first)), ("B", text_cell(compared.second))), "facts")
    said = "".join(paragraph(sentence) for sentence in sentences(compared))
    parts = [f'<div class="short">{said}</div>']
    if rows := score_rows(compared, labels=True):
        cells = ([escape(name), *map(escape, others)] for name, *others in rows)
        parts.append(section("scores", "Scores", table(_SCORES, cells)))
    if isinstance(first, Run) and isinstance(second, Run):
        parts.append(section("curves", "Curves", f'<div class="grid">{"".join(_curves(first, second))}</div>'))
    for name, fields in compared.groups.items():
        shown = ([escape(each.name), *(text_cell(value_text(value)) for value in (each.first, each.second))]
                 for each in fields)  # fmt: skip
        headings = ("", '<th scope="col" class="text">A</th>', '<th scope="col" class="text">B</th>')
        parts.append(section(name, f"What differs: {name}", table(headings, shown)))
    return visible(document(f"Two {compared.kind}s compared", head, *parts))


def _curves(first: Run, second: Run) -> Iterator[str]:
    pairs = (("A", first), ("B", second))
    losses = {name: [(int(each["step"]), each["loss"]) for each in run.steps if "loss" in each] for name, run in pairs}
    if lines := _lines(losses):
        yield curve_plot("loss by step", lines, "step", "loss", "A is drawn through, B is dashed.")
    if first.main and first.main == second.main:
        name = first.main
        scores = {
            label: [(step, found[name]) for step, found in run.validations if name in found] for label, run in pairs
        }
        label = marked(name, first.direction(name))
        yield curve_plot(f"{label} by step", _lines(scores), "step", label, f"Validation: {label}.", points=True)


def _lines(points: dict[str, list[tuple[int, float]]]) -> Sequence[plots.Line]:
    return [plots.Line(name, *map(list, zip(*own, strict=True))) for name, own in points.items() if own]


def _number(score: ScorePair, value: float | None, sign: str = "") -> str:
    if value is None:
        return "–"
    return f"{100 * value:{sign}.1f}" if score.is_share else f"{value:{sign}.4f}"

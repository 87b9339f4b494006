"""An evaluation report as tables: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lect.locales import ENGLISH, Locale, message
from lect.scores import Direction, gain_of

if TYPE_CHECKING:
    from lect.evaluation.report import Difference, EvaluationReport, Score, Variant

_Detail = Literal["intervals", "values", "least"]
_DETAILS: tuple[_Detail, ...] = ("intervals", "values", "least")
_WORDS = {"f1": "F1", "mrr": "MRR", "ndcg@10": "nDCG@10", "bleu": "BLEU", "chrf++": "chrF++"}
_TERMS = (
    message("accuracy"),
    message("precision"),
    message("recall"),
    message("F1"),
    message("macro precision"),
    message("macro recall"),
    message("macro F1"),
    message("micro precision"),
    message("micro recall"),
    message("micro F1"),
    message("weighted precision"),
    message("weighted recall"),
    message("weighted F1"),
    message("loss"),
)
_BACKBONE = message("bare backbone")
_SIDES = 2
_BETWEEN = 2


@dataclass(frozen=True)
class Table:
    """Cells as they are shown; the first column is of text, the others of numbers. `dim` rows and cells are unsure."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    dim: frozenset[tuple[int, int]] = frozenset()

    def width(self) -> int:
        """The columns of a terminal that it takes."""
        from rich.cells import cell_len

        columns = zip(self.header, *self.rows, strict=True)
        widest = [max(cell_len(cell) for cell in column) for column in columns]
        return sum(widest) + _BETWEEN * (len(widest) - 1) + _SIDES


def renderables(report: EvaluationReport, width: int) -> Iterator[Any]:
    """What `rich` prints for a report in a terminal of that width."""
    from rich.padding import Padding
    from rich.table import Table as RichTable
    from rich.text import Text

    yield Text(report.title, style="bold")
    yield Text(facts(report), style="dim")
    for remark in report.remarks:
        yield Text(remark, style="yellow")
    for plain in tables(report, width):
        table = RichTable(box=None, pad_edge=False, padding=(0, _BETWEEN, 0, 0), header_style="bold")
        for place, name in enumerate(plain.header):
            table.add_column(Text(name), justify="right" if place else "left", overflow="fold", no_wrap=bool(place))
        for y, row in enumerate(plain.rows):
            table.add_row(*(Text(cell, style="dim" if (y, x) in plain.dim else "") for x, cell in enumerate(row)))
        yield Padding(table, (1, 0, 0, _SIDES))
    yield Text("")
    for sentence in sentences(report):
        yield Text(sentence, style="dim")


def markdown(report: EvaluationReport) -> str:
    """The report as GitHub-flavoured Markdown: a heading, and the tables with every interval."""
    lines = [f"### {_cell(report.title)}", "", _cell(facts(report)), ""]
    for remark in report.remarks:
        lines += [_cell(remark), ""]
    for table in tables(report, None):
        lines.append(_line(table.header))
        lines.append(_line((":--", *("--:" for _ in table.header[1:]))))
        lines += [*(_line(row) for row in table.rows), ""]
    first, *others = sentences(report)
    lines.append(first)
    lines += [f"\n{_cell(note)}" for note in others]
    return "\n".join(lines) + "\n"


def sentences(report: EvaluationReport, locale: Locale = ENGLISH) -> list[str]:
    """What is said below the tables: what the figures are, what they were computed with, and notes."""
    signatures = [f"{readable(name, locale)}: {signature}" for name, signature in report.signatures.items()]
    return [_legend(report, locale), *signatures, *report.notes]


def readable(name: str, locale: Locale = ENGLISH) -> str:
    """A score's name as it is shown: ``macro_f1`` is macro F1."""
    text = " ".join(_WORDS.get(word, word) for word in name.split("_"))
    return locale.term(text) if text in _TERMS else text


def marked(name: str, direction: Direction, locale: Locale = ENGLISH) -> str:
    """A score's name as it is shown, with an arrow where it is better the lower."""
    return f"{readable(name, locale)} ↓" if direction == "lower" else readable(name, locale)


def stack_text(label: str, locale: Locale) -> str:
    """A stack, or what is left of it without a part, as it is shown."""
    before, found, part = label.partition("without ")
    if found and not before:
        return locale.gettext("without {part}", part=part)
    return locale.term(label) if label == _BACKBONE else label


def tables(report: EvaluationReport, width: int | None, locale: Locale = ENGLISH) -> list[Table]:
    """The tables that have something to say, each with as much detail as the width allows (None: all)."""
    # Of every table, by how much detail it has.
    choices = [
        [_main_table(report, detail, locale) for detail in _DETAILS],
        [_score_table(report, detail, locale) for detail in _DETAILS],
    ]
    of_labels = (_label_tables(report, detail, locale) for detail in _DETAILS)
    choices += [list(each) for each in zip(*of_labels, strict=True)]
    fitting = (next((table for table in each if width is None or table.width() <= width), each[-1]) for each in choices)
    return [table for table in fitting if table.rows]


def _main_table(report: EvaluationReport, detail: _Detail, locale: Locale) -> Table:
    intervals = detail == "intervals"
    several = len(report.variants) > 1
    main = marked(report.main, report.direction, locale)
    header = (locale.gettext("stack"), main, *((locale.gettext("the whole gains"),) if several else ()))
    rows, dim = [], set()
    for place, variant in enumerate(report.variants):
        label = stack_text(variant.label, locale)
        cells = [f"{place + 1}  {label}" if several else label]
        cells.append(_score(variant.score(report.main), intervals, locale))
        if several:
            gain = report.difference(variant.label, report.main)
            cells.append(_gain(gain, intervals, report.direction, locale))
            if gain is not None and gain.low <= 0 <= gain.high:
                dim.add((place, 2))
        rows.append(tuple(cells))
    return Table(header, tuple(rows), frozenset(dim))


def _score_table(report: EvaluationReport, detail: _Detail, locale: Locale) -> Table:
    intervals = detail == "intervals"
    header = (locale.gettext("score"), *_numbers(report.variants, locale))
    names = [name for name in report.names() if name != report.main]
    return Table(
        header,
        tuple(
            (
                marked(name, report.direction_of(name), locale),
                *(_score(variant.score(name), intervals, locale) for variant in report.variants),
            )
            for name in names
        ),
    )


def _label_tables(report: EvaluationReport, detail: _Detail, locale: Locale) -> list[Table]:
    """A table for each set of labels: entities by type, and tags."""
    labels: dict[str, dict[str, None]] = {}
    for variant in report.variants:
        for score in variant.scores:
            if score.label is not None:
                labels.setdefault(score.kind, {})[score.label] = None
    sets: list[tuple[list[str], dict[str, None]]] = []
    for kind in {score.kind: None for score in report.variants[0].scores if score.label is not None}:
        # Some label may lack one of the scores of the others.
        found = next((known for known in sets if known[1].keys() & labels[kind].keys()), None)
        if found is None:
            sets.append(([kind], dict(labels[kind])))
        else:
            found[0].append(kind)
            found[1].update(labels[kind])
    return [_label_table(report, kinds, list(own), detail, locale) for kinds, own in sets]


def _label_table(
    report: EvaluationReport, kinds: list[str], labels: Sequence[str], detail: _Detail, locale: Locale
) -> Table:
    intervals = detail == "intervals"
    whole, others = report.variants[0], report.variants[1:]
    shown = next((kind for kind in kinds if report.main.endswith(kind)), kinds[-1])
    # The kind that the main score averages comes last, beside the same of the other variants.
    kinds = [*(kind for kind in kinds if kind != shown and detail != "least"), shown]
    numbers = _numbers(report.variants, locale)
    mark = f" {numbers[0]}" if others else ""
    support = report.support if {*labels} & {*report.support} else {}
    header = (
        locale.gettext("label"),
        *((locale.gettext("rows"),) if support else ()),
        *(f"{readable(kind, locale)}{mark}" for kind in kinds),
        *(f"{readable(shown, locale)} {number}" for number in numbers[1:]),
    )
    rows = []
    for label in labels:
        cells = [label, *((str(support.get(label, 0)),) if support else ())]
        cells += [_score(whole.score(f"{kind}[{label}]"), intervals and kind == shown, locale) for kind in kinds]
        cells += [_score(variant.score(f"{shown}[{label}]"), intervals, locale) for variant in others]
        rows.append(tuple(cells))
    return Table(header, tuple(rows))


def _numbers(variants: tuple[Variant, ...], locale: Locale) -> tuple[str, ...]:
    if len(variants) > 1:
        return tuple(f"({place})" for place in range(1, len(variants) + 1))
    return (locale.gettext("value"),)


def interval_text(low: float, high: float, locale: Locale, form: str = ".1f") -> str:
    """Both ends of an interval, in brackets."""
    return locale.gettext("[{low}, {high}]", low=locale.format(low, form), high=locale.format(high, form))


def _score(score: Score | None, intervals: bool, locale: Locale) -> str:
    if score is None:
        return "–"
    value = locale.format(100 * score.value, ".1f")
    return f"{value} {interval_text(100 * score.low, 100 * score.high, locale)}" if intervals else value


def _gain(gain: Difference | None, intervals: bool, direction: Direction, locale: Locale) -> str:
    if gain is None:
        return ""
    value, low, high = (100 * gain_of(each, 0.0, direction) for each in (gain.value, gain.low, gain.high))
    shown = locale.format(value, "+.1f")
    return f"{shown} {interval_text(min(low, high), max(low, high), locale, '+.1f')}" if intervals else shown


def facts(report: EvaluationReport, locale: Locale = ENGLISH) -> str:
    """What was scored, in a line."""
    rows = locale.ngettext("{count} row", "{count} rows", report.rows)
    seconds = locale.gettext("{number} s", number=locale.format(report.seconds, ".1f"))
    return f"{report.dataset} · {rows} · {report.backbone} · {seconds}"


def _legend(report: EvaluationReport, locale: Locale) -> str:
    said = locale.gettext(
        "Scores × 100; in brackets {confidence} % confidence intervals over resampled rows.",
        confidence=f"{100 * report.confidence:.0f}",
    )
    lower = any(score.direction == "lower" for variant in report.variants for score in variant.scores)
    return f"{said} {locale.gettext('↓: the lower, the better.')}" if lower else said


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    for character in "\\`*_<>[]|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())

"""An evaluation report as tables: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lect.counts import number_of
from lect.scores import Direction, gain_of

if TYPE_CHECKING:
    from lect.evaluation.report import Difference, EvaluationReport, Score, Variant

_Detail = Literal["intervals", "values", "least"]
_DETAILS: tuple[_Detail, ...] = ("intervals", "values", "least")
_WORDS = {"f1": "F1", "mrr": "MRR", "ndcg@10": "nDCG@10", "bleu": "BLEU", "chrf++": "chrF++"}
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


def sentences(report: EvaluationReport) -> list[str]:
    """What is said below the tables: what the figures are, what they were computed with, and notes."""
    signatures = [f"{readable(name)}: {signature}" for name, signature in report.signatures.items()]
    return [_legend(report), *signatures, *report.notes]


def readable(name: str) -> str:
    """A score's name as it is shown: ``macro_f1`` is macro F1."""
    return " ".join(_WORDS.get(word, word) for word in name.split("_"))


def marked(name: str, direction: Direction) -> str:
    """A score's name as it is shown, with an arrow where it is better the lower."""
    return f"{readable(name)} ↓" if direction == "lower" else readable(name)


def tables(report: EvaluationReport, width: int | None) -> list[Table]:
    """The tables that have something to say, each with as much detail as the width allows (None: all)."""
    # Of every table, by how much detail it has.
    choices = [
        [_main_table(report, detail) for detail in _DETAILS],
        [_score_table(report, detail) for detail in _DETAILS],
    ]
    choices += [list(each) for each in zip(*(_label_tables(report, detail) for detail in _DETAILS), strict=True)]
    fitting = (next((table for table in each if width is None or table.width() <= width), each[-1]) for each in choices)
    return [table for table in fitting if table.rows]


def _main_table(report: EvaluationReport, detail: _Detail) -> Table:
    intervals = detail == "intervals"
    several = len(report.variants) > 1
    header = ("stack", marked(report.main, report.direction), *(("the whole gains",) if several else ()))
    rows, dim = [], set()
    for place, variant in enumerate(report.variants):
        cells = [f"{place + 1}  {variant.label}" if several else variant.label]
        cells.append(_score(variant.score(report.main), intervals))
        if several:
            gain = report.difference(variant.label, report.main)
            cells.append(_gain(gain, intervals, report.direction))
            if gain is not None and gain.low <= 0 <= gain.high:
                dim.add((place, 2))
        rows.append(tuple(cells))
    return Table(header, tuple(rows), frozenset(dim))


def _score_table(report: EvaluationReport, detail: _Detail) -> Table:
    intervals = detail == "intervals"
    header = ("score", *_numbers(report.variants))
    names = [name for name in report.names() if name != report.main]
    return Table(
        header,
        tuple(
            (
                marked(name, report.direction_of(name)),
                *(_score(variant.score(name), intervals) for variant in report.variants),
            )
            for name in names
        ),
    )


def _label_tables(report: EvaluationReport, detail: _Detail) -> list[Table]:
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
    return [_label_table(report, kinds, list(own), detail) for kinds, own in sets]


def _label_table(report: EvaluationReport, kinds: list[str], labels: Sequence[str], detail: _Detail) -> Table:
    intervals = detail == "intervals"
    whole, others = report.variants[0], report.variants[1:]
    shown = next((kind for kind in kinds if report.main.endswith(kind)), kinds[-1])
    # The kind that the main score averages comes last, beside the same of the other variants.
    kinds = [*(kind for kind in kinds if kind != shown and detail != "least"), shown]
    numbers = _numbers(report.variants)
    mark = f" {numbers[0]}" if others else ""
    support = report.support if {*labels} & {*report.support} else {}
    header = (
        "label",
        *(("rows",) if support else ()),
        *(f"{readable(kind)}{mark}" for kind in kinds),
        *(f"{readable(shown)} {number}" for number in numbers[1:]),
    )
    rows = []
    for label in labels:
        cells = [label, *((str(support.get(label, 0)),) if support else ())]
        cells += [_score(whole.score(f"{kind}[{label}]"), intervals and kind == shown) for kind in kinds]
        cells += [_score(variant.score(f"{shown}[{label}]"), intervals) for variant in others]
        rows.append(tuple(cells))
    return Table(header, tuple(rows))


def _numbers(variants: tuple[Variant, ...]) -> tuple[str, ...]:
    return tuple(f"({place})" for place in range(1, len(variants) + 1)) if len(variants) > 1 else ("value",)


def _score(score: Score | None, intervals: bool) -> str:
    if score is None:
        return "–"
    value = f"{100 * score.value:.1f}"
    return f"{value} [{100 * score.low:.1f}, {100 * score.high:.1f}]" if intervals else value


def _gain(gain: Difference | None, intervals: bool, direction: Direction) -> str:
    if gain is None:
        return ""
    value, low, high = (100 * gain_of(each, 0.0, direction) for each in (gain.value, gain.low, gain.high))
    return f"{value:+.1f} [{min(low, high):+.1f}, {max(low, high):+.1f}]" if intervals else f"{value:+.1f}"


def facts(report: EvaluationReport) -> str:
    """What was scored, in a line."""
    return f"{report.dataset} · {number_of(report.rows, 'row')} · {report.backbone} · {report.seconds:.1f} s"


def _legend(report: EvaluationReport) -> str:
    said = f"Scores × 100; in brackets {100 * report.confidence:.0f} % confidence intervals over resampled rows."
    lower = any(score.direction == "lower" for variant in report.variants for score in variant.scores)
    return f"{said} ↓: the lower, the better." if lower else said


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    for character in "\\`*_<>[]|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())

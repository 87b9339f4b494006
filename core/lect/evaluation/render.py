"""An evaluation report as tables: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from lect.evaluation.report import Difference, EvaluationReport, Score, Variant

_Detail = Literal["intervals", "values", "least"]
_DETAILS: tuple[_Detail, ...] = ("intervals", "values", "least")
_WORDS = {"f1": "F1", "mrr": "MRR", "ndcg@10": "nDCG@10", "bleu": "BLEU", "chrf++": "chrF++"}
_SIDES = 2
_BETWEEN = 2


@dataclass(frozen=True)
class _Table:
    """Cells as they are shown; the first column is of text, the others of numbers. `dim` rows and cells are unsure."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    dim: frozenset[tuple[int, int]] = frozenset()

    def width(self) -> int:
        from rich.cells import cell_len

        columns = zip(self.header, *self.rows, strict=True)
        widest = [max(cell_len(cell) for cell in column) for column in columns]
        return sum(widest) + _BETWEEN * (len(widest) - 1) + _SIDES


def renderables(report: EvaluationReport, width: int) -> Iterator[Any]:
    """What `rich` prints for a report in a terminal of that width."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    yield Text(report.title, style="bold")
    yield Text(_facts(report), style="dim")
    for plain in _tables(report, width):
        table = Table(box=None, pad_edge=False, padding=(0, _BETWEEN, 0, 0), header_style="bold")
        for place, name in enumerate(plain.header):
            table.add_column(Text(name), justify="right" if place else "left", overflow="fold", no_wrap=bool(place))
        for y, row in enumerate(plain.rows):
            table.add_row(*(Text(cell, style="dim" if (y, x) in plain.dim else "") for x, cell in enumerate(row)))
        yield Padding(table, (1, 0, 0, _SIDES))
    yield Text("")
    for sentence in (_legend(report), *_signatures(report), *report.notes):
        yield Text(sentence, style="dim")


def markdown(report: EvaluationReport) -> str:
    """The report as GitHub-flavoured Markdown: a heading, and the tables with every interval."""
    lines = [f"### {_cell(report.title)}", "", _cell(_facts(report)), ""]
    for table in _tables(report, None):
        lines.append(_line(table.header))
        lines.append(_line((":--", *("--:" for _ in table.header[1:]))))
        lines += [*(_line(row) for row in table.rows), ""]
    lines.append(_legend(report))
    lines += [f"\n{_cell(note)}" for note in (*_signatures(report), *report.notes)]
    return "\n".join(lines) + "\n"


def readable(name: str) -> str:
    """A score's name as it is shown: ``macro_f1`` is macro F1."""
    return " ".join(_WORDS.get(word, word) for word in name.split("_"))


def _tables(report: EvaluationReport, width: int | None) -> list[_Table]:
    """The tables that have something to say, each with as much detail as the width allows (None: all)."""
    built = []
    for build in (_main_table, _score_table, _label_table):
        for detail in _DETAILS:
            table = build(report, detail)
            if width is None or table.width() <= width:
                break
        if table.rows:
            built.append(table)
    return built


def _main_table(report: EvaluationReport, detail: _Detail) -> _Table:
    intervals = detail == "intervals"
    several = len(report.variants) > 1
    header = ("stack", readable(report.main), *(("the whole gains",) if several else ()))
    rows, dim = [], set()
    for place, variant in enumerate(report.variants):
        cells = [f"{place + 1}  {variant.label}" if several else variant.label]
        cells.append(_score(variant.score(report.main), intervals))
        if several:
            gain = report.difference(variant.label, report.main)
            cells.append(_gain(gain, intervals))
            if gain is not None and gain.low <= 0 <= gain.high:
                dim.add((place, 2))
        rows.append(tuple(cells))
    return _Table(header, tuple(rows), frozenset(dim))


def _score_table(report: EvaluationReport, detail: _Detail) -> _Table:
    intervals = detail == "intervals"
    header = ("score", *_numbers(report.variants))
    names = [name for name in report.names() if name != report.main]
    return _Table(
        header,
        tuple(
            (readable(name), *(_score(variant.score(name), intervals) for variant in report.variants)) for name in names
        ),
    )


def _label_table(report: EvaluationReport, detail: _Detail) -> _Table:
    intervals = detail == "intervals"
    whole, others = report.variants[0], report.variants[1:]
    kinds = list(dict.fromkeys(score.kind for score in whole.scores if score.label is not None))
    if not kinds:
        return _Table(("label",), ())
    shown = next((kind for kind in kinds if report.main.endswith(kind)), kinds[-1])
    # The kind that the main score averages comes last, beside the same of the other variants.
    kinds = [*(kind for kind in kinds if kind != shown and detail != "least"), shown]
    numbers = _numbers(report.variants)
    mark = f" {numbers[0]}" if others else ""
    counted = ("rows",) if report.support else ()
    header = (
        "label",
        *counted,
        *(f"{readable(kind)}{mark}" for kind in kinds),
        *(f"{readable(shown)} {number}" for number in numbers[1:]),
    )
    rows = []
    for label in report.labels():
        cells = [label, *((str(report.support.get(label, 0)),) if report.support else ())]
        cells += [_score(whole.score(f"{kind}[{label}]"), intervals and kind == shown) for kind in kinds]
        cells += [_score(variant.score(f"{shown}[{label}]"), intervals) for variant in others]
        rows.append(tuple(cells))
    return _Table(header, tuple(rows))


def _numbers(variants: tuple[Variant, ...]) -> tuple[str, ...]:
    return tuple(f"({place})" for place in range(1, len(variants) + 1)) if len(variants) > 1 else ("value",)


def _score(score: Score | None, intervals: bool) -> str:
    if score is None:
        return "–"
    value = f"{100 * score.value:.1f}"
    return f"{value} [{100 * score.low:.1f}, {100 * score.high:.1f}]" if intervals else value


def _gain(gain: Difference | None, intervals: bool) -> str:
    if gain is None:
        return ""
    value = f"{100 * gain.value:+.1f}"
    return f"{value} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]" if intervals else value


def _facts(report: EvaluationReport) -> str:
    return f"{report.dataset} · {report.rows:,} rows · {report.backbone} · {report.seconds:.1f} s"


def _legend(report: EvaluationReport) -> str:
    return f"Scores × 100; in brackets {100 * report.confidence:.0f} % confidence intervals over resampled rows."


def _signatures(report: EvaluationReport) -> list[str]:
    return [f"{readable(name)}: {signature}" for name, signature in report.signatures.items()]


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    for character in "\\`*_<>[]|":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())

"""What a matrix says: every cell's score, its gap to the source language, what each part gains, and what is sure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from lect.errors import UserError
from lect.evaluation.matrix.cells import Cell
from lect.evaluation.report import Score
from lect.locales import find_locale
from lect.scores import Direction, best_of
from lect.visible import one_screen, visible

SCHEMA = 1


@dataclass(frozen=True)
class Column:
    """A data set.

    Args:
        label: the language's English name.
        source: which reader reads which file.
        remarks: what the reader did with rows that it could not take as they were.
    """

    name: str
    language: str
    label: str
    rows: int
    source: str
    licence: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowOf:
    """A stack, with the pattern that it was written as."""

    name: str
    pattern: str
    fallback: str | None = None


@dataclass(frozen=True)
class Gap:
    """A score less that of the same stack in the source language.

    Args:
        low, high: of its interval, as of two independent samples: the half-widths of both in quadrature.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Entry:
    """One stack on one data set: a cell, or why there is none.

    Args:
        stack: what was scored in this language.
        is_fallback: whether the stack's fallback was scored.
        skipped: why nothing was.
    """

    dataset: str
    name: str
    stack: str
    cell: Cell | None = None
    is_fallback: bool = False
    skipped: str = ""
    gap: Gap | None = None

    @property
    def score(self) -> Score | None:
        """The main score of the whole stack."""
        return self.cell.report.variants[0].score(self.cell.report.main) if self.cell else None


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same rows.

    Args:
        first, second: names of stacks, or the stack and what was left out of it.
        value: the first one's score less the second's.
        p: of the paired bootstrap, two-sided.
        adjusted: by Holm's procedure over all comparisons of its kind in the matrix.
    """

    dataset: str
    first: str
    second: str
    value: float
    low: float
    high: float
    p: float
    adjusted: float = 1.0


@dataclass(frozen=True)
class Curve:
    """A component's training run: losses by step, and validations."""

    component: str
    steps: tuple[int, ...]
    losses: tuple[float, ...]
    validation_steps: tuple[int, ...] = ()
    validation: tuple[float, ...] = ()
    validation_name: str = ""


@dataclass(frozen=True)
class MatrixReport:
    """Everything a matrix says.

    Args:
        comparisons: every stack with the baseline, in every language.
        parts: every whole stack with what is left without a part.
        seconds: that computing took this time.
        computed: how many cells were computed this time, and not found.
        direction: which way the main score is better.
    """

    title: str
    note: str
    source: str | None
    baseline: str
    alpha: float
    resamples: int
    backbone: str
    main: str
    columns: tuple[Column, ...]
    rows: tuple[RowOf, ...]
    entries: tuple[Entry, ...]
    comparisons: tuple[Comparison, ...] = ()
    parts: tuple[Comparison, ...] = ()
    curves: tuple[Curve, ...] = ()
    seconds: float = 0.0
    computed: int = 0
    notes: tuple[str, ...] = ()
    direction: Direction = "higher"

    @property
    def stacks_with_gaps(self) -> list[str]:
        """The stacks that were scored in the source language and in another one."""
        having = {entry.name for entry in self.entries if entry.gap is not None}
        return [row.name for row in self.rows if row.name in having]

    def entry(self, dataset: str, name: str) -> Entry:
        """The entry of a data set and a stack."""
        return next(each for each in self.entries if (each.dataset, each.name) == (dataset, name))

    def comparison(self, dataset: str, name: str) -> Comparison | None:
        """A stack's comparison with the baseline; None for the baseline itself, and where one of them is absent."""
        return next((each for each in self.comparisons if (each.dataset, each.first) == (dataset, name)), None)

    def mean(self, name: str) -> float | None:
        """A stack's mean score over the languages but the source; None where one is absent."""
        scores = [
            self.entry(column.name, name).score for column in self.columns if column.language != (self.source or "")
        ]
        if not scores or any(score is None for score in scores):
            return None
        return sum(score.value for score in scores if score is not None) / len(scores)

    def best(self, dataset: str) -> float | None:
        """The best score on a data set, of all stacks; None where none was scored."""
        scores = [score.value for row in self.rows if (score := self.entry(dataset, row.name).score) is not None]
        return best_of(scores, self.direction) if scores else None

    def gained(self, comparison: Comparison) -> Comparison:
        """The comparison as what the first system gains: above 0 where it is better, whichever way that is."""
        if self.direction == "higher":
            return comparison
        return replace(comparison, value=-comparison.value, low=-comparison.high, high=-comparison.low)

    def records(self) -> Iterator[dict[str, Any]]:
        """One flat record an entry, for CSV."""
        for entry in self.entries:
            column = next(each for each in self.columns if each.name == entry.dataset)
            score, cell = entry.score, entry.cell
            compared = self.comparison(entry.dataset, entry.name)
            yield {
                "dataset": entry.dataset,
                "language": column.language,
                "rows": column.rows,
                "name": entry.name,
                "stack": entry.stack,
                "is_fallback": entry.is_fallback,
                "skipped": entry.skipped,
                "metric": cell.report.main if cell else None,
                "value": score.value if score else None,
                "low": score.low if score else None,
                "high": score.high if score else None,
                "gap_to_source": entry.gap.value if entry.gap else None,
                "gap_low": entry.gap.low if entry.gap else None,
                "gap_high": entry.gap.high if entry.gap else None,
                "over_baseline": compared.value if compared else None,
                "over_baseline_low": compared.low if compared else None,
                "over_baseline_high": compared.high if compared else None,
                "p": compared.p if compared else None,
                "p_holm": compared.adjusted if compared else None,
                "parameters": cell.cost.parameters if cell else None,
                "bytes": cell.cost.bytes if cell else None,
                "training_seconds": cell.cost.training_seconds if cell else None,
                "inference_seconds": cell.cost.inference_seconds if cell else None,
                "direction": cell.report.direction if cell else None,
            }

    def to_csv(self) -> str:
        """One line an entry, with a header."""
        import csv
        import io

        records = list(self.records())
        out = io.StringIO()
        writer = csv.DictWriter(out, list(records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
        return out.getvalue()

    def to_json(self) -> str:
        """The report as JSON, every cell with all its scores in it, but not single rows.

        ``schema`` (1) and the fields of this class; of an entry ``cell`` is ``{"report", "cost", "components"}`` or
        null. Keys are stable within a schema; later ones may be added.
        """
        values = asdict(replace(self, entries=()))
        values["entries"] = [_entry_values(entry) for entry in self.entries]
        return json.dumps({"schema": SCHEMA, **values}, ensure_ascii=False, indent=2, allow_nan=False)

    def to_markdown(self) -> str:
        """The report as GitHub-flavoured Markdown."""
        from lect.evaluation.matrix.render import markdown

        return visible(markdown(self))

    def to_html(self, locale: str | None = None) -> str:
        """The report as one page that needs nothing else: no network, no scripts, no files beside it.

        Args:
            locale: of its reader, such as ``fr``; by default as the environment says.

        Raises:
            UserError: there is no catalogue of messages for it, or matplotlib is not installed.
        """
        from lect.evaluation.html.page import page

        return visible(page(self, find_locale(locale)))

    def _repr_html_(self) -> str | None:
        from lect.evaluation.html.page import page

        try:
            return visible(page(self, find_locale(), inside=True))
        except UserError:
            # Without matplotlib there are no plots: the text is shown.
            return None

    def __repr__(self) -> str:
        return one_screen(self)

    def __rich_console__(self, console: Any, options: Any) -> Any:
        from lect.evaluation.matrix.render import renderables

        yield from renderables(self, options.max_width)


def _entry_values(entry: Entry) -> dict[str, Any]:
    values = asdict(replace(entry, cell=None))
    if entry.cell is not None:
        report = json.loads(entry.cell.report.to_json())
        del report["truth"]
        for variant in report["variants"]:
            del variant["predictions"]
            variant.pop("statistics", None)
        values["cell"] = {
            "report": report,
            "cost": asdict(entry.cell.cost),
            "components": list(entry.cell.components),
        }
    return values

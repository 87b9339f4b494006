"""What an evaluation found: scores of a stack, with and without each of its components."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lect.errors import DataError
from lect.locales import find_locale
from lect.scores import Direction, direction_of, kind_of
from lect.visible import one_screen, visible

if TYPE_CHECKING:
    from lect.evaluation.bootstrap import Gain, Interval

SCHEMA = 1


@dataclass(frozen=True)
class Score:
    """A named score with its confidence interval; ``f1[positive]`` is that of one label.

    Args:
        value: between 0 and 1, but of distances.
        direction: which way it is better.
    """

    name: str
    value: float
    low: float
    high: float
    direction: Direction = "higher"

    @property
    def label(self) -> str | None:
        """The label it is of, None for a score of the whole."""
        return self.name.partition("[")[2][:-1] if self.name.endswith("]") else None

    @property
    def kind(self) -> str:
        """The name without the label."""
        return kind_of(self.name)


@dataclass(frozen=True)
class Variant:
    """One way the stack was run: the whole, or without one of its components.

    Args:
        label: such as ``lang:nqo + task:topic`` or ``without lang:nqo``.
        scores: the main one first.
        predictions: the answer to every row, in the order of the rows, where they were asked for.
        statistics: of every row, where they were asked for, what the main score is computed from
            (`lect.evaluation.significance.row_statistics`).
    """

    label: str
    scores: tuple[Score, ...]
    predictions: tuple[str, ...] = ()
    statistics: tuple[Mapping[str, float], ...] = ()

    def score(self, name: str) -> Score | None:
        """The score of that name."""
        return next((score for score in self.scores if score.name == name), None)


@dataclass(frozen=True)
class Difference:
    """What the whole stack gains over a variant, on the same resampled rows.

    Args:
        variant: the variant's label.
        name: the score's.
        value: the whole stack's score less the variant's: below 0 where it gains by a score that is better the lower.
        low: the lower end of its confidence interval.
        high: the upper end.
        share_not_positive: the share of resamples in which the whole stack was no better.
    """

    variant: str
    name: str
    value: float
    low: float
    high: float
    share_not_positive: float


@dataclass(frozen=True)
class EvaluationReport:
    """Everything an evaluation says, ready to be shown or written.

    Args:
        title: what was evaluated.
        dataset: on what.
        rows: how many.
        backbone: the backbone's name.
        main: the name of the score that tables show first.
        variants: the whole stack first.
        differences: the whole stack against every other variant.
        support: how many rows have each label.
        seconds: how long it took.
        confidence: the level of all intervals.
        notes: sentences the reader must know, such as how many rows were truncated.
        signatures: for a score what it was computed with, such as sacrebleu's signature of BLEU.
        remarks: what the reader did with rows that it could not take as they were: how many it left out, say.
        keys: what each row is known by, in the order of the predictions: its key, or else where it stands.
        metric: the registered metric that gives the main score.
        truth: where answers are labels, the true one of every row.
    """

    title: str
    dataset: str
    rows: int
    backbone: str
    main: str
    variants: tuple[Variant, ...]
    differences: tuple[Difference, ...] = ()
    support: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    confidence: float = 0.95
    notes: tuple[str, ...] = ()
    signatures: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    metric: str = ""
    truth: tuple[str, ...] = ()

    @property
    def direction(self) -> Direction:
        """Which way the main score is better."""
        return self.direction_of(self.main)

    def direction_of(self, name: str) -> Direction:
        """Which way a score is better."""
        found = (score for variant in self.variants if (score := variant.score(name)) is not None)
        return next((score.direction for score in found), "higher")

    def names(self) -> list[str]:
        """The scores of the whole (not of single labels), the main one first, in the order the variants have them."""
        seen = {score.name: None for variant in self.variants for score in variant.scores if score.label is None}
        return sorted(seen, key=lambda name: name != self.main)

    def labels(self) -> list[str]:
        """The labels that have scores of their own, in the order of their first occurrence."""
        found = {score.label: None for variant in self.variants for score in variant.scores if score.label is not None}
        return list(found)

    def difference(self, variant: str, name: str) -> Difference | None:
        """What the whole stack gains over a variant by a score."""
        return next((each for each in self.differences if (each.variant, each.name) == (variant, name)), None)

    def to_json(self) -> str:
        """The report as a JSON object. These keys are stable within a schema; later ones may be added.

        ``schema`` (1), ``title``, ``dataset``, ``rows``, ``backbone``, ``main``, ``confidence``, ``seconds``;
        ``variants``: ``label``, ``scores`` (``name``, ``value``, ``low``, ``high``, ``direction``),
        ``predictions``;
        ``differences``: ``variant``, ``name``, ``value``, ``low``, ``high``, ``share_not_positive``;
        ``support``: rows by label; ``notes``; ``signatures``: what a score was computed with, by its name; ``remarks``:
        what the reader did with rows that it could not take as they were; ``keys``: of each row, in the order of
        ``predictions``, its key or else where it stands; ``metric``: what gives the main score; ``truth``: where
        answers are labels, the true ones. A variant has ``statistics`` where answers are no labels: of each row what
        scores are made of.
        """
        values = asdict(self)
        for variant in values["variants"]:
            # Only where somebody will compare with it: it is as large as the answers.
            if not variant["statistics"]:
                del variant["statistics"]
        return json.dumps({"schema": SCHEMA, **values}, ensure_ascii=False, indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> EvaluationReport:
        """The report that `to_json` wrote. Raises `DataError` for any other text."""
        try:
            given = json.loads(text)
            if given["schema"] != SCHEMA:
                raise DataError(f"the report has schema {given['schema']!r}, not {SCHEMA}", fix="update lect")
            return cls(
                **{name: given[name] for name in ("title", "dataset", "rows", "backbone", "main", "seconds")},
                confidence=given["confidence"],
                variants=tuple(_read_variant(variant) for variant in given["variants"]),
                differences=tuple(Difference(**difference) for difference in given["differences"]),
                support=dict(given["support"]),
                notes=tuple(given["notes"]),
                signatures=dict(given.get("signatures", {})),
                remarks=tuple(given.get("remarks", ())),
                keys=tuple(given.get("keys", ())),
                metric=given.get("metric", ""),
                truth=tuple(given.get("truth", ())),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"not an evaluation report ({type(error).__name__}: {error})") from None

    def to_markdown(self) -> str:
        """The report as GitHub-flavoured Markdown."""
        from lect.evaluation.render import markdown

        return visible(markdown(self))

    def to_html(self, locale: str | None = None) -> str:
        """The report as one page that needs nothing else: no network, no scripts, no files beside it.

        Args:
            locale: of its reader, such as ``fr``; by default as the environment says.

        Raises:
            UserError: there is no catalogue of messages for it.
        """
        from lect.evaluation.html.parts import document
        from lect.evaluation.html.single import content

        reader = find_locale(locale)
        return visible(document(reader, self.title, content(self, reader)))

    def _repr_html_(self) -> str:
        from lect.evaluation.html.parts import fragment
        from lect.evaluation.html.single import content

        reader = find_locale()
        return visible(fragment(reader, self.title, content(self, reader)))

    def __repr__(self) -> str:
        return one_screen(self)

    def __rich_console__(self, console: Any, options: Any) -> Any:
        """The report as tables that fit the terminal's width, so that `console.print(report)` shows it."""
        from lect.evaluation.render import renderables

        yield from renderables(self, options.max_width)


def variant_of(
    label: str,
    intervals: Mapping[str, Interval],
    predictions: Sequence[str] = (),
    directions: Mapping[str, Direction] | None = None,
) -> Variant:
    """The variant whose scores `lect.evaluation.bootstrap.bootstrap` gave, of metrics with these directions."""
    scores = tuple(
        Score(name, each.value, each.low, each.high, direction_of(name, directions or {}))
        for name, each in intervals.items()
    )
    return Variant(label, scores, tuple(predictions))


def differences_of(variant: str, gains: Mapping[str, Gain]) -> tuple[Difference, ...]:
    """What the whole stack gains over a variant, as `lect.evaluation.bootstrap.paired_bootstrap` gave it."""
    return tuple(
        Difference(variant, name, gain.value, gain.low, gain.high, gain.share_not_positive)
        for name, gain in gains.items()
    )


def _read_variant(given: Mapping[str, Any]) -> Variant:
    scores = tuple(Score(**score) for score in given["scores"])
    return Variant(given["label"], scores, tuple(given["predictions"]), tuple(given.get("statistics", ())))

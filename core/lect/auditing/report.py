"""What an audit found, ready to be shown or written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lect.errors import DataError
from lect.locales import find_locale
from lect.visible import one_screen, visible

SCHEMA = 1


@dataclass(frozen=True)
class GroupScore:
    """How a group is served.

    Args:
        value, low, high: the main score, with its 95 % bootstrap interval.
        rates: the share of the group's rows that are answered with each label.
        true_rates: the share that truly have it.
    """

    group: str
    rows: int
    value: float
    low: float
    high: float
    rates: Mapping[str, float]
    true_rates: Mapping[str, float]


@dataclass(frozen=True)
class Parity:
    """One way of grouping rows, and how far apart its groups are.

    Args:
        by: ``language`` or the field that names groups.
        metric: the score's name.
        gap: the best group's score less the worst one's.
        low, high: its interval, of groups resampled independently; it is never below 0 by nature, so that a small gap
            means little.
        p: how often groups whose rows are dealt out anew differ as much or more (permutation test).
    """

    by: str
    metric: str
    groups: tuple[GroupScore, ...]
    gap: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Change:
    """How a label's probability moves when a text speaks of another group.

    Args:
        value: the mean over templates, with the 95 % bootstrap interval over templates.
    """

    label: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class GroupChange:
    """A group beside the reference.

    Args:
        pairs: texts that differ only in the group.
        flips: how many of them are answered differently.
        examples: some of those: the text of the reference, its answer, the other text, its answer.
    """

    group: str
    pairs: int
    flips: int
    changes: tuple[Change, ...]
    examples: tuple[tuple[str, str, str, str], ...] = ()


@dataclass(frozen=True)
class Counterfactual:
    """One set of templates."""

    name: str
    stack: str
    templates: int
    reference: str
    groups: tuple[GroupChange, ...]


@dataclass(frozen=True)
class TermCount:
    """A word's company.

    Args:
        rows: that hold it.
        lift: for each label its share among those rows, over its share among all: 1 where the word says nothing.
    """

    term: str
    rows: int
    lift: Mapping[str, float]


@dataclass(frozen=True)
class DataBias:
    """What the data alone shows.

    Args:
        counts: rows by group and label.
        balance: the entropy of the labels over that of equal shares: 1 where all are as frequent, 0 for one label.
        association: Cramér's V of groups and labels, bias-corrected (Bergsma 2013): 0 where a group says nothing of
            the label, 1 where it says all.
    """

    by: str
    counts: Mapping[str, Mapping[str, int]]
    balance: float
    association: float
    terms: tuple[TermCount, ...] = ()


@dataclass(frozen=True)
class AuditReport:
    """Everything an audit says: ``audit.json`` is these fields with ``schema`` (1); later ones may be added.

    Args:
        components: what was audited: the SHA-256 of each component's weights, by its name and version. Empty in audits
            that were written before it was noted.
    """

    title: str
    stack: str
    backbone: str
    parity: tuple[Parity, ...] = ()
    counterfactuals: tuple[Counterfactual, ...] = ()
    data: tuple[DataBias, ...] = ()
    notes: tuple[str, ...] = ()
    components: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The report as JSON that `from_json` reads."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, ensure_ascii=False, indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> AuditReport:
        """The report that `to_json` wrote. Raises `DataError` for any other text."""
        try:
            given = json.loads(text)
            if given["schema"] != SCHEMA:
                raise DataError(f"the audit has schema {given['schema']!r}, not {SCHEMA}", fix="update lect")
            return cls(
                title=given["title"],
                stack=given["stack"],
                backbone=given["backbone"],
                parity=tuple(
                    Parity(**{**each, "groups": tuple(GroupScore(**group) for group in each["groups"])})
                    for each in given["parity"]
                ),
                counterfactuals=tuple(_read_counterfactual(each) for each in given["counterfactuals"]),
                data=tuple(
                    DataBias(**{**each, "terms": tuple(TermCount(**term) for term in each["terms"])})
                    for each in given["data"]
                ),
                notes=tuple(given["notes"]),
                components=dict(given.get("components", {})),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"not an audit ({type(error).__name__}: {error})") from None

    def to_markdown(self) -> str:
        """The report as GitHub-flavoured Markdown."""
        from lect.auditing.render import markdown

        return visible(markdown(self))

    def to_html(self, locale: str | None = None) -> str:
        """The report as one page that needs nothing else: no network, no scripts, no files beside it.

        Args:
            locale: of its reader, such as ``fr``; by default as the environment says.

        Raises:
            UserError: there is no catalogue of messages for it.
        """
        from lect.auditing.render import page

        return visible(page(self, find_locale(locale)))

    def _repr_html_(self) -> str:
        from lect.auditing.render import page

        return visible(page(self, find_locale(), inside=True))

    def __repr__(self) -> str:
        return one_screen(self)

    def __rich_console__(self, console: Any, options: Any) -> Any:
        from lect.auditing.render import renderables

        yield from renderables(self)


def _read_counterfactual(given: Mapping[str, Any]) -> Counterfactual:
    groups = tuple(
        GroupChange(
            **{
                **group,
                "changes": tuple(Change(**change) for change in group["changes"]),
                "examples": tuple((first, one, second, two) for first, one, second, two in group["examples"]),
            }
        )
        for group in given["groups"]
    )
    return Counterfactual(**{**given, "groups": groups})

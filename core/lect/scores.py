"""Scores: the metrics that give them, and which way each is better."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, ClassVar, Literal

from lect.errors import PluginError
from lect.spec import Spec

Direction = Literal["higher", "lower"]
"""Which way a score is better."""


@dataclass(frozen=True)
class MetricSpec(Spec):
    """A set of scores over parallel sequences of true and predicted values.

    Args:
        compute: maps ``(truth, predicted)`` to named scores, between 0 and 1 but for distances. Any function will do;
            a `lect.SummedMetric` has its confidence intervals a hundred times as fast.
        main: the name among them that early stopping and tables show first.
        signatures: from the true values, for each score what it was computed with, in the words of the library that
            others compare with, such as sacrebleu's signature; reports quote it.
        scores: the names that `compute` may give, and which way each is better; those of single labels
            (``f1[positive]``) are named without them (``f1``). A score that is not named is better the higher, a
            ``loss`` the lower. No two metrics of a head may give the same name.
    """

    kind: ClassVar[str] = "metric"
    hook: ClassVar[str] = "lect_register_metrics"

    compute: Callable[[Sequence[Any], Sequence[Any]], Mapping[str, float]]
    main: str
    signatures: Callable[[Sequence[Any]], Mapping[str, str]] | None = None
    scores: Mapping[str, Direction] = field(default_factory=dict)

    def direction(self, name: str) -> Direction:
        """Which way a score of that name is better."""
        return direction_of(name, self.scores)


def direction_of(name: str, directions: Mapping[str, Direction]) -> Direction:
    """Which way a score is better.

    Args:
        name: such as ``f1``, ``f1[positive]``, or ``masked/loss`` of one of several objectives.
        directions: of those scores that were declared.
    """
    for known in (name, kind_of(name)):
        if known in directions:
            return directions[known]
    # What is minimised is called so whoever gives it.
    return "lower" if kind_of(name).rpartition("/")[2] == "loss" else "higher"


def kind_of(name: str) -> str:
    """A score's name without the label that it is of: ``f1`` of ``f1[positive]``."""
    return name.partition("[")[0] if name.endswith("]") else name


def gain_of(value: float, other: float, direction: Direction) -> float:
    """By how much a score is better than another one of its name; below 0 where it is worse."""
    return value - other if direction == "higher" else other - value


def best_of(values: Iterable[float], direction: Direction) -> float:
    """The best of some scores of one name. Raises `ValueError` where there are none."""
    return max(values) if direction == "higher" else min(values)


def named_by_two(metrics: Sequence[MetricSpec]) -> tuple[str, MetricSpec, MetricSpec] | None:
    """A score that two metrics both declare, with these two; None where each name is of one metric."""
    declared = [(metric, dict.fromkeys((metric.main, *metric.scores))) for metric in metrics]
    for (first, own), (second, others) in combinations(declared, 2):
        for name in own:
            if name in others:
                return name, first, second
    return None


def joined_scores(metrics: Sequence[MetricSpec], given: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What several metrics gave, by the scores' names.

    Args:
        given: of each metric, something for each of its scores.

    Raises:
        PluginError: two of them give one name: one of both would be lost.
    """
    found: dict[str, Any] = {}
    owners: dict[str, str] = {}
    for metric, own in zip(metrics, given, strict=True):
        for name, value in own.items():
            if name in found:
                raise PluginError(
                    f'the metrics "{owners[name]}" and "{metric.name}" both give a score "{name}"',
                    fix="tell their author: a head's scores need names of their own",
                )
            found[name], owners[name] = value, metric.name
    return found

"""Two runs, two components or two reports side by side: what differs, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lect.errors import UserError
from lect.evaluation.report import EvaluationReport
from lect.evaluation.significance import PairedTest, paired_variants
from lect.locales import message
from lect.pages.things import KINDS, Run, ShownComponent, ShownReport, Thing
from lect.scores import Direction
from lect.specs import MetricSpec
from lect.storage.manifest import Manifest
from lect.toml import parse_toml

if TYPE_CHECKING:
    from lect.host import Host

_Fields = Mapping[str, Mapping[str, Any]]
"""By what they are of, and by their names."""
_RESAMPLES = 10_000


@dataclass(frozen=True)
class Field:
    """What one of two things has otherwise than the other; None for nothing."""

    name: str
    first: Any
    second: Any


@dataclass(frozen=True)
class ScorePair:
    """A score of both; None where one of them has none.

    Args:
        on: what it is a score of, such as the data set.
        is_share: whether reports show it times 100.
    """

    name: str
    on: str
    first: float | None
    second: float | None
    direction: Direction = "higher"
    is_share: bool = False

    @property
    def difference(self) -> float | None:
        """The second one's less the first one's."""
        return None if self.first is None or self.second is None else self.second - self.first

    @property
    def ahead(self) -> str:
        """Which one has the better score, be it by chance: ``A``, ``B``, or "" where neither has."""
        if not self.difference:
            return ""
        return "B" if (self.difference > 0) is (self.direction == "higher") else "A"


@dataclass(frozen=True)
class Compared:
    """Two things of one kind side by side.

    Args:
        kind: ``run``, ``component`` or ``report``.
        first, second: what they are called.
        groups: fields that differ, by what they are of, such as the recipe.
        same: how many fields were looked at and do not differ.
        test: of the second report against the first one by its main score, where both are of the same rows.
        untested: why two reports were not tested.
    """

    kind: str
    first: str
    second: str
    groups: Mapping[str, tuple[Field, ...]]
    same: int
    scores: tuple[ScorePair, ...]
    test: PairedTest | None = None
    untested: str = ""

    def values(self) -> dict[str, Any]:
        """As JSON has it; ``differs`` has the fields that differ, by what they are of."""
        return {
            "kind": self.kind,
            "first": self.first,
            "second": self.second,
            "differs": {
                name: [{"field": each.name, "first": each.first, "second": each.second} for each in group]
                for name, group in self.groups.items()
            },
            "same": self.same,
            "scores": [
                {
                    "score": each.name,
                    "on": each.on,
                    "first": each.first,
                    "second": each.second,
                    "difference": each.difference,
                    "direction": each.direction,
                }
                for each in self.scores
            ],
            "test": None
            if self.test is None
            else {"difference": self.test.value, "low": self.test.low, "high": self.test.high, "p": self.test.p,
                  "resamples": _RESAMPLES},
            "untested": self.untested,
        }  # fmt: skip


def compare_things(first: Thing, second: Thing, host: Host) -> Compared:
    """What differs between two things of one kind.

    Raises:
        UserError: they are of two kinds.
    """
    if isinstance(first, Run) and isinstance(second, Run):
        names = (str(first.folder), str(second.folder))
        return _compared("run", names, (_of_run(first), _of_run(second)), _run_scores(first, second))
    if isinstance(first, ShownComponent) and isinstance(second, ShownComponent):
        ours, theirs = first.manifest, second.manifest
        names = (f"{ours.key} {ours.version} ({first.folder})", f"{theirs.key} {theirs.version} ({second.folder})")
        fields = (_of_component(first), _of_component(second))
        return _compared("component", names, fields, _result_scores(ours, theirs))
    if isinstance(first, ShownReport) and isinstance(second, ShownReport):
        one, other = first.report, second.report
        names = (f"{one.title} ({first.file})", f"{other.title} ({second.file})")
        untested = _why_untested(one, other)
        test = None
        if not untested:
            metric = host.spec(MetricSpec, one.metric)
            truth = one.truth or [""] * one.rows
            test = paired_variants(metric, one.main, truth, other.variants[0], one.variants[0], _RESAMPLES)
        fields = (_of_report(one), _of_report(other))
        return _compared("report", names, fields, _report_scores(one, other), test, untested)
    kinds = [KINDS[type(each)] for each in (first, second)]
    raise UserError(f"a {kinds[0]} and a {kinds[1]} cannot be compared", fix="name two of the same kind")


def _compared(
    kind: str,
    names: tuple[str, str],
    both: tuple[_Fields, _Fields],
    scores: tuple[ScorePair, ...],
    test: PairedTest | None = None,
    untested: str = "",
) -> Compared:
    (ours, theirs), groups, same = both, {}, 0
    for name in ours:
        fields = dict.fromkeys((*ours[name], *theirs[name]))
        pairs = [Field(each, ours[name].get(each), theirs[name].get(each)) for each in fields]
        differing = tuple(each for each in pairs if each.first != each.second)
        same += len(pairs) - len(differing)
        if differing:
            groups[name] = differing
    return Compared(kind, *names, groups, same, scores, test, untested)


# ------------------------------------------------------------------------------------------- fields that may differ


def _of_run(run: Run) -> dict[str, dict[str, Any]]:
    last = run.steps[-1] if run.steps else {}
    seconds = last.get("seconds")
    rates = sorted(rate for _, rate in run.rates())
    return {
        "recipe": dict(_flat(run.recipe)),
        "run": {
            "steps": int(last["step"]) if last else None,
            "seconds": None if seconds is None else round(seconds, 1),
            "last loss": _rounded(last.get("loss")),
            "tokens a second, median": round(rates[len(rates) // 2]) if rates else None,
            "memory, GB": _rounded(last.get("memory"), 2),
        },
        "environment": {
            name or "computed on": version
            for name, _, version in (
                line.rpartition(" ") if place else ("", "", line) for place, line in enumerate(run.environment)
            )
        },
    }


def _of_component(component: ShownComponent) -> dict[str, dict[str, Any]]:
    manifest, training = component.manifest, component.manifest.training
    recipe = training.recipe if training else ""
    return {
        "component": {
            "name": manifest.key,
            "version": manifest.version,
            "languages": ", ".join(manifest.languages),
            "licence": manifest.licence,
            "backbone": f"{manifest.backbone.name} ({manifest.backbone.identity})",
            "trained over": manifest.stack,
            "labels": ", ".join(manifest.head.labels) if manifest.head else "",
            "made as": manifest.origin.formula if manifest.origin else "",
            **{f"gate for {each.use}": each.strength for each in manifest.gate},
        },
        "parameters": {**component.parameters, "all": sum(component.parameters.values()), "bytes": component.size},
        "recipe": dict(_flat(parse_toml(recipe, UserError, where=str(component.folder)))),
        "data": {
            f"{each.source}: {name}": value
            for each in (training.data if training else ())
            for name, value in (("rows", each.rows), ("licence", each.licence), ("sha256", each.sha256[:12]))
        },
        "training": {
            "steps": training.steps if training else None,
            "seconds": training.seconds if training else None,
            "hardware": training.hardware if training else None,
            **{each.distribution: each.version for each in manifest.requires},
        },
    }


def _of_report(report: EvaluationReport) -> dict[str, dict[str, Any]]:
    names = ("title", "dataset", "rows", "backbone", "main", "seconds")
    return {"report": {name: getattr(report, name) for name in names}}


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """A recipe's fields, with the names of the tables that they are in; tables of a list by their method or place."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        for place, each in enumerate(value, 1):
            yield from _flat(each, f"{name}.{each.get('method', place)}")
    else:
        yield name, value


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)


# ---------------------------------------------------------------------------------------------------------- scores


def _run_scores(first: Run, second: Run) -> tuple[ScorePair, ...]:
    """Of each score the best one of either run's validations."""
    names = dict.fromkeys(name for run in (first, second) for _, scores in run.validations for name in scores)
    found = []
    for name in names:
        if "[" not in name:
            own, other = (None if (best := run.best(name)) is None else best[1] for run in (first, second))
            found.append(ScorePair(name, message("best validation"), own, other, first.direction(name)))
    return tuple(found)


def _result_scores(first: Manifest, second: Manifest) -> tuple[ScorePair, ...]:
    def known(manifest: Manifest) -> dict[tuple[str, str], tuple[float, Direction]]:
        return {(each.metric, each.dataset): (each.value, each.direction or "higher") for each in manifest.results}

    ours, theirs = known(first), known(second)
    return tuple(
        ScorePair(
            name,
            dataset,
            ours[name, dataset][0] if (name, dataset) in ours else None,
            theirs[name, dataset][0] if (name, dataset) in theirs else None,
            (ours.get((name, dataset)) or theirs[name, dataset])[1],
        )
        for name, dataset in dict.fromkeys((*ours, *theirs))
    )


def _report_scores(first: EvaluationReport, second: EvaluationReport) -> tuple[ScorePair, ...]:
    ours, theirs = first.variants[0], second.variants[0]
    names = dict.fromkeys((first.main, *(score.name for variant in (ours, theirs) for score in variant.scores)))
    found = []
    for name in names:
        own, other = ours.score(name), theirs.score(name)
        known = own or other
        if known is not None:
            one, two = (None if each is None else each.value for each in (own, other))
            found.append(ScorePair(name, message("the whole stack"), one, two, known.direction, is_share=True))
    return tuple(found)


def _why_untested(first: EvaluationReport, second: EvaluationReport) -> str:
    """Why a paired test of two reports is not possible, as a sentence; "" where it is."""
    if not first.metric or not second.metric:
        return message(
            "one of the reports is of an older lect, which did not write down what a test needs; score it again"
        )
    if (first.metric, first.main) != (second.metric, second.main):
        return message("they are scored by different metrics")
    if not first.keys or first.keys != second.keys or first.truth != second.truth:
        return message("they are not of the same rows")
    ours, theirs = first.variants[0], second.variants[0]
    if ours.statistics and theirs.statistics:
        return ""
    if len(ours.predictions) != first.rows or len(theirs.predictions) != first.rows:
        return message("the answers to single rows are not in both")
    if not first.truth and first.metric not in ("retrieval", "ranking"):
        return message("what single rows add to the scores is not in both")
    return ""

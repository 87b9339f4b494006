"""Scores of a stack on labelled or parallel rows, with and without each of its components."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lect.data.examples import Example
from lect.engine.open import OpenStack
from lect.errors import DataError, StackError
from lect.evaluation.bootstrap import bootstrap, paired_bootstrap
from lect.evaluation.report import Difference, EvaluationReport, Variant, differences_of, variant_of
from lect.evaluation.retrieval import matches, ranks
from lect.evaluation.significance import row_statistics
from lect.heads import GenerationHead
from lect.scores import joined_scores
from lect.specs import HeadSpec, MetricSpec

if TYPE_CHECKING:
    from lect.host import Host


TRIMMED = "The backbone was trimmed"
"""How the note begins that tells what scores without a component are of."""


@dataclass(frozen=True)
class Ablation:
    """A stack to be scored: its keys, and how the report names it."""

    label: str
    keys: tuple[str, ...]


def ablations(opened: OpenStack, *, keep_head: bool) -> list[Ablation]:
    """The whole stack, the stack without each component, and without all of them where there are several.

    Args:
        keep_head: leave the component that holds the head where it is, since without it nothing is answered.
    """
    keys = opened.keys
    removable = [key for key in keys if not (keep_head and opened.engine.model.components[key].head is not None)]
    found = [Ablation(str(opened.stack) or "bare backbone", keys)]
    found += [Ablation(f"without {key}", tuple(other for other in keys if other != key)) for key in removable]
    if len(removable) > 1:
        rest = tuple(key for key in keys if key not in removable)
        found.append(Ablation(" + ".join(rest) if rest else "bare backbone", rest))
    elif removable and len(keys) == 1:
        found[-1] = Ablation("bare backbone", ())
    return found


def evaluate_rows(
    opened: OpenStack,
    host: Host,
    examples: Sequence[Example],
    dataset: str,
    remarks: Sequence[str] = (),
    *,
    statistics: bool = False,
) -> tuple[EvaluationReport, str]:
    """A stack's scores on rows, and the metric they are of: answers where it has a head, else retrieval.

    A head that gives vectors is scored by its answers to rows that say what matches, and by retrieval on parallel rows.

    Args:
        remarks: what the reader said of the rows.
        statistics: keep what each row's answer adds to the scores, for comparisons with other stacks.

    Raises:
        DataError: a row lacks what is asked of it.
    """
    kind = opened.head_kind
    if kind is None or (opened.vectors_by and not any(example.text_pair for example in examples)):
        report, metric = evaluate_retrieval(opened, host, examples, dataset), "retrieval"
    else:
        report = evaluate_predictions(opened, host, kind, examples, dataset, statistics=statistics)
        metric = host.spec(HeadSpec, kind).metrics[0]
    return replace(report, remarks=tuple(remarks)), metric


def evaluate_predictions(
    opened: OpenStack,
    host: Host,
    head_kind: str,
    examples: Sequence[Example],
    dataset: str,
    *,
    statistics: bool = False,
) -> EvaluationReport:
    """How well the stack's head answers labelled rows.

    Raises:
        DataError: a row lacks the answer, or has one that the head does not know.
        StackError: the stack has no head.
    """
    started = time.perf_counter()
    head = opened.head
    if head is None:
        raise StackError("this stack has no head", where=f'stack "{opened.stack}"', fix="end it with a task:…")
    truth = head.references(examples)
    metrics = [host.spec(MetricSpec, name) for name in host.spec(HeadSpec, head_kind).metrics]
    writes = isinstance(head, GenerationHead)
    variants_of = ablations(opened, keep_head=not writes)
    # All of a row's stacks together, so that they share what they have in common.
    asked = [(example, ablation.keys) for example in examples for ablation in variants_of]
    found = list(opened.engine.predictions(asked, head if writes else None))
    predictions = {
        ablation: head.compared(found[place :: len(variants_of)], examples)
        for place, ablation in enumerate(variants_of)
    }
    answers = {ablation: [each.value for each in own] for ablation, own in predictions.items()}
    shown = {ablation: [str(each) for each in own] for ablation, own in predictions.items()}
    notes = _truncated(opened, examples)
    labelled = _are_labels(truth) and not writes
    if labelled:
        most, count = Counter(truth).most_common(1)[0]
        notes = [f'Always answering "{most}" would be right on {count / len(truth):.1%} of the rows.', *notes]
    report = report_of(opened, dataset, truth, answers, shown, metrics, notes, started, labelled, rows=examples)
    if not statistics:
        return report
    kept = [row_statistics(metrics[0], truth, own) for own in answers.values()]
    variants = [replace(variant, statistics=own) for variant, own in zip(report.variants, kept, strict=True)]
    return replace(report, variants=tuple(variants))


def evaluate_retrieval(
    opened: OpenStack,
    host: Host,
    examples: Sequence[Example],
    dataset: str,
    candidates: Sequence[str] = (),
) -> EvaluationReport:
    """How often a row's vector is nearest to that of its own translation.

    That one the bare backbone gives; where a head gives the vectors, its component alone.

    Args:
        candidates: further texts among which the translation is to be found.

    Raises:
        DataError: a row has no translation.
    """
    started = time.perf_counter()
    for example in examples:
        if example.translation is None:
            raise DataError(
                "the row has no translation", where=example.origin, fix='name its column: -o translation="…"'
            )
    translations = [example.translation or "" for example in examples]
    pool = sorted({*translations, *candidates})
    through = (opened.vectors_by,) if opened.vectors_by else ()
    targets = opened.engine.embed(pool, through)
    correct = matches(translations, pool)
    texts = [example.text for example in examples]
    variants = ablations(opened, keep_head=bool(opened.vectors_by))
    vectors = opened.engine.embed_each(texts, [ablation.keys for ablation in variants])
    found = {ablation: ranks(own, targets, correct) for ablation, own in zip(variants, vectors, strict=True)}
    notes = [f"Each text is looked for among {len(pool):,} translations.", *_truncated(opened, examples)]
    shown = {ablation: [str(rank) for rank in own] for ablation, own in found.items()}
    metrics = [host.spec(MetricSpec, "retrieval")]
    return report_of(opened, dataset, correct, found, shown, metrics, notes, started, rows=examples)


def report_of(
    opened: OpenStack,
    dataset: str,
    truth: Sequence[Any],
    answers: Mapping[Ablation, Sequence[Any]],
    shown: Mapping[Ablation, Sequence[str]],
    metrics: Sequence[MetricSpec],
    notes: Sequence[str],
    started: float,
    labelled: bool = False,
    rows: Sequence[Example] = (),
) -> EvaluationReport:
    """The report of what each variant of a stack answered, the whole one first.

    Args:
        truth: the true answer of every row.
        answers: each variant's, as the metrics take them.
        shown: the same as readers of the report get them.
        metrics: the main one first.
        started: when the evaluation began, by `time.perf_counter`.
        labelled: whether true answers are labels, whose rows are counted.
        rows: what was answered, for the report to say of every answer which row it is of.
    """
    (whole, own), *others = answers.items()
    variants: list[Variant] = []
    differences: list[Difference] = []
    directions = joined_scores(metrics, [metric.scores for metric in metrics])
    for ablation, predicted in answers.items():
        intervals = joined_scores(metrics, [bootstrap(metric.compute, truth, predicted) for metric in metrics])
        variants.append(variant_of(ablation.label, intervals, shown[ablation], directions))
    for ablation, predicted in others:
        for metric in metrics:
            gains = paired_bootstrap(metric.compute, truth, own, predicted, directions=directions)
            differences.extend(differences_of(ablation.label, gains))
    return EvaluationReport(
        title=whole.label,
        dataset=dataset,
        rows=len(truth),
        backbone=opened.backbone.name,
        main=metrics[0].main,
        variants=tuple(variants),
        differences=tuple(differences),
        support=dict(sorted(Counter(str(value) for value in truth).items())) if labelled else {},
        signatures={
            score: told
            for metric in metrics
            if metric.signatures is not None
            for score, told in metric.signatures(truth).items()
        },
        seconds=round(time.perf_counter() - started, 2),
        notes=(*notes, *trimmed_notes(opened, bool(others))),
        keys=tuple(each.key or each.origin for each in rows),
        metric=metrics[0].name,
        truth=tuple(truth) if labelled else (),
    )


def trimmed_notes(opened: OpenStack, without: bool) -> list[str]:
    """A sentence where scores without a component are a trimmed backbone's, and no measure of the whole one.

    Args:
        without: whether there are such scores.
    """
    backbone = opened.backbone
    if backbone.trimmed is None or not without:
        return []
    whole = backbone.trimmed.table.parents[-1].name
    return [
        f"{TRIMMED} from {whole}: what is scored without a component is scored without it on {backbone.name}, which "
        f"may lack tokens and letters of these texts that {whole} has. What {whole} gives by itself says lect eval "
        f"on the same data with --backbone {whole} in place of the stack."
    ]


def _are_labels(truth: Sequence[Any]) -> bool:
    return all(isinstance(value, str) for value in truth)


def _truncated(opened: OpenStack, examples: Sequence[Example]) -> list[str]:
    line = opened.truncation(examples)
    return [f"{line}."] if line else []

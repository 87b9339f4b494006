"""An audit from its file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lect.auditing.counterfactual import counterfactual
from lect.auditing.data import data_bias
from lect.auditing.file import AuditFile, CounterfactualTable, read_templates
from lect.auditing.parity import parity
from lect.auditing.report import AuditReport, Counterfactual, DataBias, Parity
from lect.data.examples import Example
from lect.engine.open import OpenStack
from lect.errors import DataError, StackError
from lect.evaluation.matrix.cells import Bench
from lect.heads import Prediction
from lect.host.reading import read_source
from lect.locales import message
from lect.specs import HeadSpec, MetricSpec
from lect.storage.library import Library
from lect.storage.store import weights_hash

if TYPE_CHECKING:
    from lect.host import Host


def run_audit(audit: AuditFile, host: Host, library: Library, name: str = "audit.toml") -> AuditReport:
    """Everything the file asks for.

    Args:
        name: quoted in messages.

    Raises:
        DataError: data or templates are wrong, or rows name no group.
        StackError: the stack is refused, or its head gives no probabilities of labels.
    """
    bench = Bench(host, library, audit.backbone)
    examples: list[Example] = []
    languages: list[str] = []
    answers: list[str] = []
    notes: list[str] = []
    components: dict[str, str] = {}
    backbone = metric_name = ""
    for dataset in audit.datasets:
        rows = read_source(host, dataset.source, audit.folder, f"{name}, {dataset.where}", needs=("label",)).examples
        opened = bench.open(audit.stack.replace("{language}", dataset.language))
        components |= _hashes(opened)
        backbone, metric_name = opened.backbone.name, _metric(opened, host, audit.stack)
        assert opened.head is not None
        opened.head.references(rows)
        answers += [each.value for each in _predict(opened, rows)]
        examples += rows
        languages += [dataset.language] * len(rows)
    found: list[Parity] = []
    biases: list[DataBias] = []
    truth = [example.label or "" for example in examples]
    groupings = {"language": languages}
    if audit.group != "language" and examples:
        groupings[audit.group] = _groups(examples, audit.group)
    for by, groups in groupings.items():
        if examples and (by == audit.group or len(set(groups)) > 1):
            biases.append(data_bias(by, groups, examples, audit.terms if by == audit.group else ()))
        if len(set(groups)) > 1:
            found.append(parity(host.spec(MetricSpec, metric_name), by, groups, truth, answers))
    tests = []
    for index, table in enumerate(audit.counterfactual):
        templates = read_templates(table, audit.folder, f"{name}, counterfactual[{index}]")
        text = audit.stack.replace("{language}", table.language)
        opened = bench.open(text)
        components |= _hashes(opened)
        backbone = opened.backbone.name
        _metric(opened, host, audit.stack)
        tests.append(_tested(opened, table, templates, text))
    if examples and not found:
        notes.append(message("All rows are of one group, so that there is no parity to speak of."))
    title = audit.title or f"Audit of {audit.stack}"
    return AuditReport(
        title, audit.stack, backbone, tuple(found), tuple(tests), tuple(biases), tuple(notes), components
    )


def _hashes(opened: OpenStack) -> dict[str, str]:
    return {f"{stored.manifest.key}@{stored.manifest.version}": weights_hash(stored.folder) for stored in opened.stored}


def _tested(opened: OpenStack, table: CounterfactualTable, templates: Sequence[str], text: str) -> Counterfactual:
    def predict(texts: Sequence[str]) -> list[Prediction]:
        return _predict(opened, [Example(each) for each in texts])

    return counterfactual(table, templates, text, predict)


def _predict(opened: OpenStack, examples: Sequence[Example]) -> list[Prediction]:
    return opened.predict(examples)


def _metric(opened: OpenStack, host: Host, stack: str) -> str:
    head = next((stored.manifest.head for stored in opened.stored if stored.manifest.head), None)
    if head is None:
        raise StackError("this stack has no head", where=f'stack "{stack}"', fix="end it with a task:…")
    name = host.spec(HeadSpec, head.kind).metrics[0]
    if name != "classification":
        raise StackError(f'heads of kind "{head.kind}" cannot be audited yet', where=f'stack "{stack}"',
                         fix="name a stack that classifies texts")  # fmt: skip
    return name


def _groups(examples: Sequence[Example], field: str) -> list[str]:
    for example in examples:
        if not getattr(example, field):
            raise DataError(
                f"the row has no {field}, which names its group",
                where=example.origin,
                fix=f'name its column: {field} = "…"',
            )
    return [str(getattr(example, field)) for example in examples]

"""What `lect` itself registers, through the same hooks as everyone else."""

from __future__ import annotations

from collections.abc import Iterable

from lect.hookspecs import hookimpl
from lect.specs import ExecutorSpec, IdentifierSpec, MergeSpec, MethodSpec, MetricSpec, ObjectiveSpec, ReaderSpec


@hookimpl
def lect_register_methods() -> Iterable[MethodSpec]:
    """Full fine-tuning, the yardstick, and fusions."""
    from lect.builtins.specs import METHODS

    return METHODS


@hookimpl
def lect_register_merges() -> Iterable[MergeSpec]:
    """Arithmetic in parentheses."""
    from lect.builtins.specs import MERGES

    return MERGES


@hookimpl
def lect_register_objectives() -> Iterable[ObjectiveSpec]:
    """Labelled rows, and translations."""
    from lect.builtins.specs import OBJECTIVES

    return OBJECTIVES


@hookimpl
def lect_register_readers() -> Iterable[ReaderSpec]:
    """Tables, JSON lines, raw and parallel text, dictionaries, and Hugging Face's data sets."""
    from lect.builtins import datasets, dictionaries, examples, excel, readers, texts, tmx

    modules = (readers, excel, texts, tmx, dictionaries, datasets, examples)
    return tuple(spec for module in modules for spec in module.READERS)


@hookimpl
def lect_register_metrics() -> Iterable[MetricSpec]:
    """Classification and retrieval."""
    from lect.evaluation.metrics import METRICS

    return METRICS


@hookimpl
def lect_register_identifiers() -> Iterable[IdentifierSpec]:
    """`py3langid`, where it is installed."""
    from importlib.util import find_spec

    from lect.builtins.specs import IDENTIFIERS

    return IDENTIFIERS if find_spec("py3langid") is not None else ()


@hookimpl
def lect_register_executors() -> Iterable[ExecutorSpec]:
    """This machine."""
    from lect.fleet.local import EXECUTORS

    return EXECUTORS

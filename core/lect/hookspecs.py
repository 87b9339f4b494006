"""Every hook of `lect`, in the order of a run's life: this file is the list of what a plugin can do.

A plugin implements any of them with `lect.hookimpl`, as functions of the module (or methods of the object) that its
entry point in the group ``lect.v1`` names. An implementation may take fewer arguments than the hook has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.composition.stack import Stack
    from lect.runs import Outcome, RunInfo
    from lect.specs import (
        BackboneSpec,
        CheckpointSpec,
        CommandSpec,
        ExecutorSpec,
        FormatSpec,
        HeadSpec,
        IdentifierSpec,
        InitialiserSpec,
        MergeSpec,
        MethodSpec,
        MetricSpec,
        ObjectiveSpec,
        Problem,
        ReaderSpec,
        RouteSpec,
        TokenLearnerSpec,
    )

PROJECT = "lect"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# ------------------------------------------------------------------------------------------------- registration


@hookspec
def lect_register_backbones() -> Iterable[BackboneSpec]:
    """Backbones known by a short name, such as ``e5-small``."""
    return ()


@hookspec
def lect_register_checkpoints() -> Iterable[CheckpointSpec]:
    """Folders that other frameworks wrote and that are backbones by their path, such as those of ``fairseq``."""
    return ()


@hookspec
def lect_register_methods() -> Iterable[MethodSpec]:
    """Ways to change the backbone, such as ``bottleneck``, ``lora`` or ``vocabulary``."""
    return ()


@hookspec
def lect_register_merges() -> Iterable[MergeSpec]:
    """Arithmetic on the parameters of several components, such as ``ties``."""
    return ()


@hookspec
def lect_register_initialisers() -> Iterable[InitialiserSpec]:
    """First embeddings of new tokens, such as ``focus``."""
    return ()


@hookspec
def lect_register_token_learners() -> Iterable[TokenLearnerSpec]:
    """Ways to learn the tokens that a backbone lacks, such as ``bpe``."""
    return ()


@hookspec
def lect_register_heads() -> Iterable[HeadSpec]:
    """Task heads, such as ``classification``."""
    return ()


@hookspec
def lect_register_objectives() -> Iterable[ObjectiveSpec]:
    """What training minimises, such as ``supervised`` or ``alignment``."""
    return ()


@hookspec
def lect_register_readers() -> Iterable[ReaderSpec]:
    """Sources of examples, such as ``csv``."""
    return ()


@hookspec
def lect_register_metrics() -> Iterable[MetricSpec]:
    """Scores, such as ``classification``."""
    return ()


@hookspec
def lect_register_formats() -> Iterable[FormatSpec]:
    """Formats of other libraries, such as ``adapters`` or ``peft``, for ``lect import`` and ``lect export``."""
    return ()


@hookspec
def lect_register_identifiers() -> Iterable[IdentifierSpec]:
    """Identifiers of the language of texts, such as ``py3langid``."""
    return ()


@hookspec
def lect_register_executors() -> Iterable[ExecutorSpec]:
    """Where the runs of a fleet are executed, such as ``local`` or ``ray``."""
    return ()


@hookspec
def lect_register_commands() -> Iterable[CommandSpec]:
    """Subcommands of ``lect``."""
    return ()


@hookspec
def lect_register_routes() -> Iterable[RouteSpec]:
    """HTTP routes of ``lect``'s server."""
    return ()


# -------------------------------------------------------------------------------------------------- composition


@hookspec
def lect_check_composition(stack: Stack, backbone: Backbone) -> Iterable[Problem]:
    """Veto a stack: every problem returned is a reason why it is refused."""
    return ()


@hookspec(firstresult=True)
def lect_resolve_component(reference: str) -> Path | None:
    """The folder of a component that a reference such as ``lang:jav`` names. Stops at the first non-None result."""
    return None


# ----------------------------------------------------------------------------------------------------- training


@hookspec
def lect_training_started(run: RunInfo) -> None:
    """A training run is about to take its first step. An exception here is reported and does not stop the run."""


@hookspec
def lect_step_finished(run: RunInfo, step: int, metrics: Mapping[str, float]) -> None:
    """The optimiser has taken a step. An exception here is reported once and does not stop the run."""


@hookspec
def lect_evaluation_finished(run: RunInfo, step: int, scores: Mapping[str, float]) -> None:
    """A validation during training has ended. An exception here is reported and does not stop the run."""


@hookspec
def lect_training_finished(run: RunInfo, outcome: Outcome) -> None:
    """A training run has ended, in success or failure: called always, and an exception here hides neither."""

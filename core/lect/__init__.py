"""Language and task adapters composed row by row onto one frozen multilingual model.

The names below, with those of `lect.cache`, `lect.cli`, `lect.data.files`, `lect.exchange`, `lect.files`,
`lect.languages` and `lect.testing`, are what plugins may use; everything else may move. Importing this package imports
neither torch nor transformers: each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lect.api.components import SavedComponent, components
    from lect.api.model import Model, load
    from lect.api.registries import pull, search
    from lect.api.results import Predictions
    from lect.api.stacks import Composition, avg, lang, mix, stack, task
    from lect.api.training import teach_language, teach_task, train
    from lect.backbones import Backbone
    from lect.backbones.anatomy import FAMILIES, WRITER
    from lect.backbones.stored import stored_tensors
    from lect.composition.batched import Projections, add_by_rows
    from lect.composition.stack import Stack, parse_stack
    from lect.data.dataset import Source
    from lect.data.examples import Example, Span
    from lect.errors import (
        BackboneError,
        ComponentError,
        DataError,
        Interrupted,
        PluginError,
        RecipeError,
        RegistryError,
        StackError,
        UserError,
        nearest,
    )
    from lect.evaluation.ranking import rank_relevant
    from lect.fields import Config
    from lect.fleet.job import JOB_PATIENCE, run_job
    from lect.heads import Decoding, GenerationHead, GenerationRequest, Head, Layout, Prediction, RowTokenizer, Window
    from lect.hookspecs import hookimpl
    from lect.host import Host
    from lect.host.backbones import load_backbone
    from lect.host.reading import read_source
    from lect.literals import Progress
    from lect.objectives import Objective, ObjectiveContext
    from lect.parts import Inner, NewTokens, Part, SiteContext
    from lect.recipes.recipe import Recipe, recipe_of
    from lect.runs import Job, JobEvent, Outcome, RunInfo
    from lect.specs import (
        BackboneSpec,
        BuildContext,
        CommandSpec,
        Corpus,
        ExecutorSpec,
        FormatSpec,
        HeadSpec,
        InitialiserSpec,
        MergedPart,
        MergeSpec,
        Merging,
        MethodSpec,
        MetricSpec,
        NewEmbeddings,
        ObjectiveSpec,
        Problem,
        ReaderSpec,
        RouteSpec,
    )
    from lect.storage.library import Library
    from lect.summed_metric import SummedMetric
    from lect.training.callbacks.base import Callback
    from lect.training.prepare import prepare_run
    from lect.training.run import execute_run
    from lect.versions import __version__

_NAMES = {
    "lect.api.components": "SavedComponent components",
    "lect.api.model": "Model load",
    "lect.api.registries": "pull search",
    "lect.api.results": "Predictions",
    "lect.api.stacks": "Composition avg lang mix stack task",
    "lect.api.training": "teach_language teach_task train",
    "lect.backbones": "Backbone",
    "lect.backbones.anatomy": "FAMILIES WRITER",
    "lect.backbones.stored": "stored_tensors",
    "lect.composition.stack": "Stack parse_stack",
    "lect.composition.batched": "Projections add_by_rows",
    "lect.data.dataset": "Source",
    "lect.data.examples": "Example Span",
    "lect.storage.library": "Library",
    "lect.errors": (
        "BackboneError ComponentError DataError Interrupted PluginError RecipeError RegistryError StackError "
        "UserError nearest"
    ),
    "lect.evaluation.ranking": "rank_relevant",
    "lect.fields": "Config",
    "lect.fleet.job": "JOB_PATIENCE run_job",
    "lect.heads": "Decoding GenerationRequest Head Layout Prediction RowTokenizer Window GenerationHead",
    "lect.hookspecs": "hookimpl",
    "lect.host": "Host",
    "lect.host.backbones": "load_backbone",
    "lect.host.reading": "read_source",
    "lect.literals": "Progress",
    "lect.objectives": "Objective ObjectiveContext",
    "lect.parts": "Inner NewTokens Part SiteContext",
    "lect.recipes.recipe": "Recipe recipe_of",
    "lect.specs": (
        "BackboneSpec BuildContext CommandSpec Corpus ExecutorSpec FormatSpec HeadSpec InitialiserSpec Job "
        "JobEvent MergeSpec MergedPart Merging MethodSpec MetricSpec NewEmbeddings ObjectiveSpec Outcome "
        "Problem ReaderSpec RouteSpec RunInfo"
    ),
    "lect.summed_metric": "SummedMetric",
    "lect.training.callbacks.base": "Callback",
    "lect.training.prepare": "prepare_run",
    "lect.training.run": "execute_run",
    "lect.versions": "__version__",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "FAMILIES",
    "JOB_PATIENCE",
    "WRITER",
    "Backbone",
    "BackboneError",
    "BackboneSpec",
    "BuildContext",
    "Callback",
    "CommandSpec",
    "ComponentError",
    "Composition",
    "Config",
    "Corpus",
    "DataError",
    "Decoding",
    "Example",
    "ExecutorSpec",
    "FormatSpec",
    "GenerationHead",
    "GenerationRequest",
    "Head",
    "HeadSpec",
    "Host",
    "InitialiserSpec",
    "Inner",
    "Interrupted",
    "Job",
    "JobEvent",
    "Layout",
    "Library",
    "MergeSpec",
    "MergedPart",
    "Merging",
    "MethodSpec",
    "MetricSpec",
    "Model",
    "NewEmbeddings",
    "NewTokens",
    "Objective",
    "ObjectiveContext",
    "ObjectiveSpec",
    "Outcome",
    "Part",
    "PluginError",
    "Prediction",
    "Predictions",
    "Problem",
    "Progress",
    "Projections",
    "ReaderSpec",
    "Recipe",
    "RecipeError",
    "RegistryError",
    "RouteSpec",
    "RowTokenizer",
    "RunInfo",
    "SavedComponent",
    "SiteContext",
    "Source",
    "Span",
    "Stack",
    "StackError",
    "SummedMetric",
    "UserError",
    "Window",
    "__version__",
    "add_by_rows",
    "avg",
    "components",
    "execute_run",
    "hookimpl",
    "lang",
    "load",
    "load_backbone",
    "mix",
    "nearest",
    "parse_stack",
    "prepare_run",
    "pull",
    "rank_relevant",
    "read_source",
    "recipe_of",
    "run_job",
    "search",
    "stack",
    "stored_tensors",
    "task",
    "teach_language",
    "teach_task",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lect' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

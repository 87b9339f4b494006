"""Language and task adapters composed row by row onto one frozen multilingual model.

Importing this package imports neither torch nor transformers; the names below are loaded when they are first used.
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
    from lect.composition.stack import Stack, parse_stack
    from lect.data.examples import Example, Span
    from lect.errors import UserError
    from lect.fields import Config
    from lect.heads import Decoding, Demand, Head, Layout, Prediction, WritingHead
    from lect.hookspecs import hookimpl
    from lect.host import Host
    from lect.host.backbones import load_backbone
    from lect.parts import Inner, Part, SiteContext
    from lect.recipes.schema import Recipe
    from lect.specs import (
        BackboneSpec,
        BuildContext,
        CommandSpec,
        ExecutorSpec,
        FormatSpec,
        HeadSpec,
        InitialiserSpec,
        Job,
        JobEvent,
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
    from lect.summed_metric import SummedMetric
    from lect.training.callbacks.base import Callback

_HOMES = {
    "SavedComponent": "lect.api.components",
    "components": "lect.api.components",
    "pull": "lect.api.registries",
    "search": "lect.api.registries",
    "train": "lect.api.training",
    "teach_language": "lect.api.training",
    "teach_task": "lect.api.training",
    "Recipe": "lect.recipes.schema",
    "Callback": "lect.training.callbacks.base",
    "Model": "lect.api.model",
    "load": "lect.api.model",
    "Predictions": "lect.api.results",
    "Composition": "lect.api.stacks",
    "avg": "lect.api.stacks",
    "lang": "lect.api.stacks",
    "mix": "lect.api.stacks",
    "stack": "lect.api.stacks",
    "task": "lect.api.stacks",
    "__version__": "lect.versions",
    "Backbone": "lect.backbones",
    "BackboneSpec": "lect.specs",
    "BuildContext": "lect.specs",
    "CommandSpec": "lect.specs",
    "Config": "lect.fields",
    "Decoding": "lect.heads",
    "Demand": "lect.heads",
    "Example": "lect.data.examples",
    "ExecutorSpec": "lect.specs",
    "FormatSpec": "lect.specs",
    "Head": "lect.heads",
    "HeadSpec": "lect.specs",
    "Host": "lect.host",
    "InitialiserSpec": "lect.specs",
    "Inner": "lect.parts",
    "Layout": "lect.heads",
    "Job": "lect.specs",
    "JobEvent": "lect.specs",
    "MergeSpec": "lect.specs",
    "MergedPart": "lect.specs",
    "Merging": "lect.specs",
    "MethodSpec": "lect.specs",
    "MetricSpec": "lect.specs",
    "NewEmbeddings": "lect.specs",
    "ObjectiveSpec": "lect.specs",
    "Part": "lect.parts",
    "Prediction": "lect.heads",
    "Problem": "lect.specs",
    "ReaderSpec": "lect.specs",
    "RouteSpec": "lect.specs",
    "SiteContext": "lect.parts",
    "Span": "lect.data.examples",
    "Stack": "lect.composition.stack",
    "SummedMetric": "lect.summed_metric",
    "UserError": "lect.errors",
    "WritingHead": "lect.heads",
    "hookimpl": "lect.hookspecs",
    "load_backbone": "lect.host.backbones",
    "parse_stack": "lect.composition.stack",
}

__all__ = [
    "Backbone",
    "BackboneSpec",
    "BuildContext",
    "Callback",
    "CommandSpec",
    "Composition",
    "Config",
    "Decoding",
    "Demand",
    "Example",
    "ExecutorSpec",
    "FormatSpec",
    "Head",
    "HeadSpec",
    "Host",
    "InitialiserSpec",
    "Inner",
    "Job",
    "JobEvent",
    "Layout",
    "MergeSpec",
    "MergedPart",
    "Merging",
    "MethodSpec",
    "MetricSpec",
    "Model",
    "NewEmbeddings",
    "ObjectiveSpec",
    "Part",
    "Prediction",
    "Predictions",
    "Problem",
    "ReaderSpec",
    "Recipe",
    "RouteSpec",
    "SavedComponent",
    "SiteContext",
    "Span",
    "Stack",
    "SummedMetric",
    "UserError",
    "WritingHead",
    "__version__",
    "avg",
    "components",
    "hookimpl",
    "lang",
    "load",
    "load_backbone",
    "mix",
    "parse_stack",
    "pull",
    "search",
    "stack",
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

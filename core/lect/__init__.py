"""Language and task adapters composed row by row onto one frozen multilingual model.

    model = lect.load("lang:jav + task:sentiment")
    model.predict(["Panganan ing kene enak banget!"])

A model      load, Model: predict, embed, evaluate, explain, close; Prediction, Predictions
Rows         read, Example, Span; texts, pairs, dictionaries and frames go as they are
Stacks       lang, task, avg, mix, stack, Composition
Training     teach_language, teach_task, train, Recipe, Callback; vocabulary.build, vocabulary.report
Elsewhere    TaskClassifier for scikit-learn, for_trainer for transformers; Model.as_sentence_transformer, as_pipeline …
A server     Client: predict, embed, models, of what `lect serve` answers with
Components   components, SavedComponent, pull, search, merge, export
Languages    identify, Identification
Reports      evaluate_matrix, audit; EvaluationReport, MatrixReport, AuditReport, Explanation
Errors       UserError, of which BackboneError, ComponentError, DataError, RecipeError … are kinds

`help(lect.load)` and so on says more; docs/python.md shows them at work. All other names here are for plugins, with
those of `lect.cache`, `lect.cli`, `lect.data.files`, `lect.exchange`, `lect.files`, `lect.languages`, `lect.locales`,
`lect.serving`, `lect.testing` and `lect.vocabulary` (docs/hooks.md); what stands in no list may move.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lect import vocabulary as vocabulary
    from lect.api.client import Client as Client
    from lect.api.components import SavedComponent as SavedComponent, components as components
    from lect.api.estimator import TaskClassifier as TaskClassifier
    from lect.api.exchange import export as export, merge as merge
    from lect.api.identify import identify as identify
    from lect.api.model import Model as Model, load as load
    from lect.api.reading import read as read
    from lect.api.registries import pull as pull, search as search
    from lect.api.reports import audit as audit, evaluate_matrix as evaluate_matrix
    from lect.api.results import Predictions as Predictions
    from lect.api.stacks import (
        Composition as Composition,
        avg as avg,
        lang as lang,
        mix as mix,
        stack as stack,
        task as task,
    )
    from lect.api.trainer import TrainerParts as TrainerParts, for_trainer as for_trainer
    from lect.api.training import teach_language as teach_language, teach_task as teach_task, train as train
    from lect.auditing.report import AuditReport as AuditReport
    from lect.backbones import Backbone as Backbone
    from lect.backbones.anatomy import DECODER as DECODER, FAMILIES as FAMILIES
    from lect.backbones.stored import stored_tensors as stored_tensors
    from lect.composition.batched import Projections as Projections, add_by_rows as add_by_rows
    from lect.composition.stack import Stack as Stack, parse_stack as parse_stack
    from lect.data.dataset import Source as Source
    from lect.data.examples import Example as Example, Span as Span
    from lect.data.tokenization import TextReport as TextReport, report_on as report_on
    from lect.errors import (
        BackboneError as BackboneError,
        ComponentError as ComponentError,
        DataError as DataError,
        Interrupted as Interrupted,
        PluginError as PluginError,
        RecipeError as RecipeError,
        RegistryError as RegistryError,
        StackError as StackError,
        UserError as UserError,
        nearest as nearest,
    )
    from lect.evaluation.matrix.result import MatrixReport as MatrixReport
    from lect.evaluation.ranking import rank_relevant as rank_relevant
    from lect.evaluation.report import EvaluationReport as EvaluationReport
    from lect.explain.explanation import Explanation as Explanation
    from lect.fields import Config as Config
    from lect.fleet.job import JOB_PATIENCE as JOB_PATIENCE, run_job as run_job
    from lect.heads import (
        Decoding as Decoding,
        GenerationHead as GenerationHead,
        GenerationRequest as GenerationRequest,
        Head as Head,
        Layout as Layout,
        Prediction as Prediction,
        RowTokenizer as RowTokenizer,
        Window as Window,
    )
    from lect.hookspecs import hookimpl as hookimpl
    from lect.host import Host as Host
    from lect.host.backbones import load_backbone as load_backbone
    from lect.host.reading import read_source as read_source
    from lect.literals import Progress as Progress
    from lect.languages.identify import Identification as Identification
    from lect.languages.installed import InstalledIdentifier as InstalledIdentifier
    from lect.objectives import Objective as Objective, ObjectiveContext as ObjectiveContext
    from lect.parts import BaseLayer as BaseLayer, NewTokens as NewTokens, Part as Part, SiteContext as SiteContext
    from lect.recipes.recipe import Recipe as Recipe, recipe_of as recipe_of
    from lect.runs import (
        Application as Application,
        Job as Job,
        JobEvent as JobEvent,
        Outcome as Outcome,
        ReplicaLostError as ReplicaLostError,
        Replicas as Replicas,
        RunInfo as RunInfo,
        ServeWork as ServeWork,
        StreamWork as StreamWork,
    )
    from lect.specs import (
        BackboneSpec as BackboneSpec,
        BuildContext as BuildContext,
        CheckpointSpec as CheckpointSpec,
        CommandSpec as CommandSpec,
        Corpus as Corpus,
        ExecutorSpec as ExecutorSpec,
        FormatSpec as FormatSpec,
        HeadSpec as HeadSpec,
        IdentifierSpec as IdentifierSpec,
        InitialiserSpec as InitialiserSpec,
        LearnedVocabulary as LearnedVocabulary,
        MergeSpec as MergeSpec,
        MergedPart as MergedPart,
        Merging as Merging,
        MethodSpec as MethodSpec,
        MetricSpec as MetricSpec,
        NewEmbeddings as NewEmbeddings,
        ObjectiveSpec as ObjectiveSpec,
        Problem as Problem,
        ReaderSpec as ReaderSpec,
        RouteSpec as RouteSpec,
        TokenLearnerSpec as TokenLearnerSpec,
    )
    from lect.storage.library import Library as Library
    from lect.summed_metric import SummedMetric as SummedMetric
    from lect.training.callbacks.base import Callback as Callback
    from lect.training.prepare import prepare_run as prepare_run
    from lect.training.run import execute_run as execute_run
    from lect.versions import __version__ as __version__

_NAMES = {
    "lect": "vocabulary",
    "lect.api.client": "Client",
    "lect.api.components": "SavedComponent components",
    "lect.api.estimator": "TaskClassifier",
    "lect.api.exchange": "export merge",
    "lect.api.identify": "identify",
    "lect.api.model": "Model load",
    "lect.api.reading": "read",
    "lect.api.registries": "pull search",
    "lect.api.reports": "audit evaluate_matrix",
    "lect.api.results": "Predictions",
    "lect.auditing.report": "AuditReport",
    "lect.api.stacks": "Composition avg lang mix stack task",
    "lect.api.trainer": "TrainerParts for_trainer",
    "lect.api.training": "teach_language teach_task train",
    "lect.backbones": "Backbone",
    "lect.backbones.anatomy": "DECODER FAMILIES",
    "lect.backbones.stored": "stored_tensors",
    "lect.composition.stack": "Stack parse_stack",
    "lect.composition.batched": "Projections add_by_rows",
    "lect.data.dataset": "Source",
    "lect.data.examples": "Example Span",
    "lect.data.tokenization": "TextReport report_on",
    "lect.storage.library": "Library",
    "lect.errors": (
        "BackboneError ComponentError DataError Interrupted PluginError RecipeError RegistryError StackError "
        "UserError nearest"
    ),
    "lect.evaluation.matrix.result": "MatrixReport",
    "lect.evaluation.ranking": "rank_relevant",
    "lect.evaluation.report": "EvaluationReport",
    "lect.explain.explanation": "Explanation",
    "lect.fields": "Config",
    "lect.fleet.job": "JOB_PATIENCE run_job",
    "lect.heads": "Decoding GenerationRequest Head Layout Prediction RowTokenizer Window GenerationHead",
    "lect.hookspecs": "hookimpl",
    "lect.host": "Host",
    "lect.host.backbones": "load_backbone",
    "lect.host.reading": "read_source",
    "lect.languages.identify": "Identification",
    "lect.languages.installed": "InstalledIdentifier",
    "lect.literals": "Progress",
    "lect.objectives": "Objective ObjectiveContext",
    "lect.parts": "BaseLayer NewTokens Part SiteContext",
    "lect.recipes.recipe": "Recipe recipe_of",
    "lect.runs": "Application Job JobEvent Outcome ReplicaLostError Replicas RunInfo ServeWork StreamWork",
    "lect.specs": (
        "BackboneSpec BuildContext CheckpointSpec CommandSpec Corpus ExecutorSpec FormatSpec HeadSpec IdentifierSpec "
        "InitialiserSpec LearnedVocabulary MergeSpec MergedPart Merging MethodSpec MetricSpec NewEmbeddings "
        "ObjectiveSpec Problem ReaderSpec RouteSpec TokenLearnerSpec"
    ),
    "lect.summed_metric": "SummedMetric",
    "lect.training.callbacks.base": "Callback",
    "lect.training.prepare": "prepare_run",
    "lect.training.run": "execute_run",
    "lect.versions": "__version__",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}
_DEPRECATED: dict[str, str] = {}
"""Of names that are neither functions nor classes, which say it themselves (`lect.deprecation`), the sentence."""
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            home = _HOMES[name]
            if name in _DEPRECATED:
                warnings.warn(f"lect.{name}: {_DEPRECATED[name]}", DeprecationWarning, stacklevel=2)
            return import_module(f"lect.{name}") if home == "lect" else getattr(import_module(home), name)
        raise AttributeError(f"module 'lect' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_HOMES)

"""What plugins register: small frozen records, each with a name, a summary, a configuration and a builder.

No module of `torch`, `transformers`, `peft` or `adapters` is imported here or needed to make a spec; builders import
what they need when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.composition.part import Part
    from lect.data.examples import Example
    from lect.heads import Head
    from lect.training.objective import Objective, ObjectiveContext

Role = Literal["lang", "task"]
Progress = Callable[[str, float], None]
"""Told what is being done and the share of it that is done, 0 to 1."""


class Config(BaseModel):
    """A configuration of a plugin's spec: frozen, and no unknown field passes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class BackboneSpec:
    """A backbone that is known by a short name.

    Args:
        prepare: makes the folder that `transformers` loads, in the cache, and returns it; quick where it is there.
        pooling: how a sentence vector is made of the hidden states: their mean, or the first one.
        prefix: a text put before every input.
        identity: the hub id or package and its version, for manifests.
    """

    name: str
    summary: str
    prepare: Callable[[Progress], Path]
    identity: str
    pooling: Literal["mean", "first"] = "mean"
    prefix: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Corpus:
    """What a method may look at when a new part is built: the training examples, and what they translate into."""

    examples: Sequence[Example] = ()


@dataclass(frozen=True)
class BuildContext:
    """What a method's builder gets.

    Args:
        backbone: the frozen backbone the part will change.
        corpus: the training examples when a new part is made, None when a saved one is read.
        tokenizer_json: the saved component's own tokenizer when one is read, else None.
    """

    backbone: Backbone
    corpus: Corpus | None = None
    tokenizer_json: str | None = None


@dataclass(frozen=True)
class MethodSpec:
    """A way to change the backbone, such as a bottleneck or LoRA.

    Args:
        build: makes the part. With a corpus: freshly initialised (from torch's current random state). Without: the
            same shapes, ready for `load_state_dict`.
        roles: the roles a component of this method may have.
    """

    name: str
    summary: str
    config: type[BaseModel]
    build: Callable[[Any, BuildContext], Part]
    roles: tuple[Role, ...] = ("lang", "task")


@dataclass(frozen=True)
class HeadSpec:
    """What turns hidden states into answers to one task.

    Args:
        build: makes the head from its configuration, the backbone and the labels in a fixed order.
        metrics: names of registered metrics to report, the first one the main one.
    """

    name: str
    summary: str
    config: type[BaseModel]
    build: Callable[[Any, Backbone, Sequence[str]], Head]
    metrics: tuple[str, ...] = ("classification",)


@dataclass(frozen=True)
class ObjectiveSpec:
    """What is minimised.

    Args:
        build: makes the objective for one run.
        needs: the fields of `Example` that every training row must have, such as ``("label",)``.
    """

    name: str
    summary: str
    config: type[BaseModel]
    build: Callable[[Any, ObjectiveContext], Objective]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReaderSpec:
    """A source of examples.

    Args:
        read: yields the examples of one configuration; relative paths in it are relative to the folder given.
            Raises `lect.errors.DataError` with file and line.
    """

    name: str
    summary: str
    config: type[BaseModel]
    read: Callable[[Any, Path], Iterable[Example]]


@dataclass(frozen=True)
class MetricSpec:
    """A set of scores over parallel sequences of true and predicted values.

    Args:
        compute: maps ``(truth, predicted)`` to named scores between 0 and 1.
        main: the name among them that early stopping and tables show first.
    """

    name: str
    summary: str
    compute: Callable[[Sequence[Any], Sequence[Any]], Mapping[str, float]]
    main: str


@dataclass(frozen=True)
class CommandSpec:
    """A subcommand of `lect`.

    Args:
        load: returns a `typer.Typer` application; called only when the command is run.
    """

    name: str
    summary: str
    load: Callable[[], Any]


@dataclass(frozen=True)
class RouteSpec:
    """A group of HTTP routes for `lect`'s server.

    Args:
        load: returns a FastAPI ``APIRouter``; called only when a server starts.
    """

    name: str
    summary: str
    load: Callable[[], Any]


@dataclass(frozen=True)
class Problem:
    """A reason why a composition is refused, and what would be right."""

    what: str
    fix: str


@dataclass(frozen=True)
class RunInfo:
    """What lifecycle hooks are told of a training run."""

    name: str
    role: str
    backbone: str
    folder: Path
    total_steps: int
    recipe: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a training run ended: finished, interrupted or failed, and with what.

    Args:
        components: the folders of what was trained, one but for mixed recipes.
    """

    status: Literal["finished", "interrupted", "failed"]
    steps: int
    seconds: float
    error: BaseException | None = None
    components: tuple[Path, ...] = ()

"""What plugins register: small frozen records, each with a name, a summary, a configuration and a builder.

The class of a record is its kind: it says what messages call such a thing (`kind`), and by which hook plugins register
it (`hook`).

No module of `torch`, `transformers`, `peft` or `adapters` is imported here or needed to make a spec; builders import
what they need when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lect.backbone_specs import BackboneSpec as BackboneSpec
from lect.backbone_specs import CheckpointSpec as CheckpointSpec
from lect.literals import Role, Use
from lect.scores import MetricSpec as MetricSpec
from lect.spec import ConfiguredSpec, Spec

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import Tensor

    from lect.backbones import Backbone
    from lect.composition.component import Component
    from lect.data.examples import Example
    from lect.exchange.contents import Contents, ForeignFolder
    from lect.heads import Head
    from lect.languages.installed import InstalledIdentifier
    from lect.objectives import Objective, ObjectiveContext
    from lect.parts import Part
    from lect.runs import Job, JobEvent, Replicas, ServeWork, StreamWork


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
        tokenizer_json: what the saved component's ``tokenizer.json`` holds when one is read, else None: what
            `Part.saved_tokenizer` was.
        members: the frozen components that the part stands on, by the names its configuration has for them.
        initialisers: those that plugins register, by name, when a new part is made.
        folder: relative paths in the configuration are relative to it.
    """

    backbone: Backbone
    corpus: Corpus | None = None
    tokenizer_json: str | None = None
    members: Mapping[str, Component] = field(default_factory=dict)
    initialisers: Mapping[str, InitialiserSpec] = field(default_factory=dict)
    folder: Path = Path()


@dataclass(frozen=True)
class Merging:
    """One merge of several components, as a method sees it.

    Args:
        weights: one a component.
        is_linear: whether it is the weighted sum, which a method may be able to make without making the tensors.
        combine: one tensor of several of the same shape, one a component; the name tells places apart.
    """

    weights: tuple[float, ...]
    is_linear: bool
    combine: Callable[[str, Sequence[Tensor]], Tensor]


@dataclass(frozen=True)
class MergedPart:
    """What a method makes of several of its parts: a part, of this method or another one, and its configuration."""

    method: str
    config: Mapping[str, Any]
    part: Part


@dataclass(frozen=True)
class MethodSpec(ConfiguredSpec):
    """A way to change the backbone, such as a bottleneck or LoRA.

    Args:
        build: makes the part. With a corpus: freshly initialised (from torch's current random state). Without: the
            same shapes, ready for `load_state_dict`.
        roles: the roles a component of this method may have.
        merge: makes one part of several, each with its configuration; raises `lect.errors.StackError` where that has
            no meaning. Where absent, every parameter is merged on its own, and the configurations must be the same.
        members: the components that a part of this configuration stands on, such as ``("lang:jav", "lang:sun")``.
        in_layers: from a configuration, the numbers of layers (from 0, in order) and the backbone, the fields that keep
            a part to these layers. They are put in the place of the configuration's own. Raises
            `lect.errors.RecipeError` where it cannot. Where absent, recipes cannot choose layers for it.
    """

    kind: ClassVar[str] = "method"
    hook: ClassVar[str] = "lect_register_methods"

    build: Callable[[Any, BuildContext], Part]
    roles: tuple[Role, ...] = ("lang", "task")
    merge: Callable[[Sequence[tuple[Any, Part]], Merging, BuildContext], MergedPart] | None = None
    members: Callable[[Any], tuple[str, ...]] | None = None
    in_layers: Callable[[Any, Sequence[int], Backbone], Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class MergeSpec(ConfiguredSpec):
    """A way to make one tensor of the tensors of several components, such as TIES.

    Args:
        merge: from the configuration, the tensor's name (so that random draws differ from place to place), the tensors
            of one shape and their weights. Each is a difference from where its part changes nothing (`Part.origin`).
        is_linear: whether it is the weighted sum.
    """

    kind: ClassVar[str] = "merge"
    hook: ClassVar[str] = "lect_register_merges"

    merge: Callable[[Any, str, Sequence[Tensor], Sequence[float]], Tensor]
    is_linear: bool = False


@dataclass(frozen=True)
class NewEmbeddings:
    """New tokens that wait for embeddings.

    Args:
        tokens: as the tokenizer writes them, in the order of their ids.
        first: the id of the first one; every id below is the backbone's own.
        tokenizer: the backbone's tokenizer with the new tokens: a `tokenizers.Tokenizer`.
        base_ids: for each new token, the ids that the backbone's tokenizer had for its text; empty where it knows none.
        texts: for each new token, its text without the tokenizer's marks for spaces and the like.
        examples: the texts that the tokens were learned from, with what they translate into.
        folder: relative paths in a configuration are relative to it.
    """

    backbone: Backbone
    tokens: Sequence[str]
    first: int
    tokenizer: Any
    base_ids: Sequence[Sequence[int]]
    texts: Sequence[str]
    examples: Sequence[Example] = ()
    folder: Path = Path()


@dataclass(frozen=True)
class InitialiserSpec(ConfiguredSpec):
    """A way to give new tokens their first embeddings.

    Args:
        initialise: from the configuration and the new tokens, one row for each of them, *Shape:*
            ``(tokens, features)``, on the scale of the backbone's own matrix. Random draws come from torch's current
            random state. Raises `lect.errors.DataError` where the data lacks what it needs.
        source: the paper it is from.
    """

    kind: ClassVar[str] = "initialiser"
    hook: ClassVar[str] = "lect_register_initialisers"

    initialise: Callable[[Any, NewEmbeddings], Tensor]
    source: str = ""


@dataclass(frozen=True)
class LearnedVocabulary:
    """Tokens that a backbone lacks.

    Args:
        tokens: as the tokenizer writes them, in the order of their ids.
        listed: what a recipe's part takes from a file: JSON.
        tokenizer_json: the backbone's tokenizer with them, as `tokenizers` reads it.
    """

    tokens: tuple[str, ...]
    listed: str
    tokenizer_json: str


@dataclass(frozen=True)
class TokenLearnerSpec(Spec):
    """A way to learn the tokens of a text that a backbone's tokenizer lacks.

    Args:
        learn: from the backbone, the texts, the most tokens wanted, and the most characters of one. The same texts give
            the same tokens. Raises `lect.errors.BackboneError` for a tokenizer that it cannot extend.
    """

    kind: ClassVar[str] = "learner"
    hook: ClassVar[str] = "lect_register_token_learners"

    learn: Callable[[Backbone, Sequence[str], int, int], LearnedVocabulary]


@dataclass(frozen=True)
class HeadSpec(ConfiguredSpec):
    """What turns hidden states into answers to one task.

    Args:
        build: makes the head from its configuration, the backbone and the labels in a fixed order.
        metrics: names of registered metrics to report, the first one the main one.
        needs: the fields of `Example` that every row it learns from must have, ``extra.name`` for a plugin's own.
        labels: the labels of a new head, from its configuration and the training rows, where a recipe names none; by
            default the distinct ``label`` of all rows, sorted, of which there must be two. Raises `DataError`.
        generates: whether it builds a `lect.heads.GenerationHead`: of an encoder-decoder both halves are loaded then.
        pipeline_tag: what the Hugging Face hub calls its task, such as ``token-classification``, for cards.
        use: what it makes of a text's hidden states, by which a language's gate says how strongly it acts; None where
            no gate speaks of it.
    """

    kind: ClassVar[str] = "head"
    hook: ClassVar[str] = "lect_register_heads"

    build: Callable[[Any, Backbone, Sequence[str]], Head]
    metrics: tuple[str, ...] = ("classification",)
    needs: tuple[str, ...] = ("label",)
    labels: Callable[[Any, Sequence[Example]], Sequence[str]] | None = None
    generates: bool = False
    pipeline_tag: str = ""
    use: Use | None = "classification"


@dataclass(frozen=True)
class ObjectiveSpec(ConfiguredSpec):
    """What is minimised.

    Args:
        build: makes the objective for one run.
        needs: the fields of `Example` that every training row must have, such as ``("label",)``.
    """

    kind: ClassVar[str] = "objective"
    hook: ClassVar[str] = "lect_register_objectives"

    build: Callable[[Any, ObjectiveContext], Objective]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReaderSpec(ConfiguredSpec):
    """A source of examples.

    Args:
        read: yields the examples of one configuration; relative paths in it are relative to the folder given.
            Raises `lect.errors.DataError` with file and line. A generator may return lines that say what it did with
            rows that it could not take as they were; reports on the data quote them.
        endings: of files that commands read with it where no reader is named, such as ``.csv``.
    """

    kind: ClassVar[str] = "reader"
    hook: ClassVar[str] = "lect_register_readers"

    read: Callable[[Any, Path], Iterable[Example]]
    endings: tuple[str, ...] = ()


@dataclass(frozen=True)
class IdentifierSpec(Spec):
    """What says the language of texts, among more languages than there are components of.

    Args:
        load: makes it ready, which may take a second; called when it is first needed.
    """

    kind: ClassVar[str] = "identifier"
    hook: ClassVar[str] = "lect_register_identifiers"

    load: Callable[[], InstalledIdentifier]


@dataclass(frozen=True)
class ExecutorSpec(ConfiguredSpec):
    """Where commands of `lect` run: on this machine, on a cluster.

    Args:
        run: from the configuration, the jobs, and how many of them may run at once (None for as many as there is
            room for), an iterator that runs them all, and gives an event as each is handed over and as each ends, in
            any order. A job that fails stops no other. Where the iterator is closed, or Ctrl-C interrupts it, it stops
            the jobs that run, each after it has written a checkpoint (`lect.fleet.run_job` does so).
            Raises `lect.errors.UserError` where there is no such cluster.
        answer: from the configuration and a `lect.StreamWork`, an iterator of the results of its items in their order,
            for `lect predict --on` and `lect embed --on`. It holds few items at a time, works on an item again whose
            worker was lost, and stops the workers when it is closed. None where rows are not answered there. Raises as
            `run`, and what a worker raises.
        serve: from the configuration and a `lect.ServeWork`, a context manager that gives `lect.Replicas` once all of
            them are ready, for `lect serve --on`; it stops them at its end. It replaces those that are lost. None where
            requests are not answered there. Raises as `run`, and what an application that cannot start raises.
    """

    kind: ClassVar[str] = "executor"
    hook: ClassVar[str] = "lect_register_executors"

    run: Callable[[Any, Sequence[Job], int | None], Iterator[JobEvent]]
    answer: Callable[[Any, StreamWork], Iterator[Any]] | None = None
    serve: Callable[[Any, ServeWork], AbstractContextManager[Replicas]] | None = None


@dataclass(frozen=True)
class CommandSpec(Spec):
    """A subcommand of `lect`.

    Args:
        load: returns a `typer.Typer` application; called only when the command is run.
    """

    kind: ClassVar[str] = "command"
    hook: ClassVar[str] = "lect_register_commands"

    load: Callable[[], Any]


@dataclass(frozen=True)
class RouteSpec(Spec):
    """A group of HTTP routes for `lect`'s server.

    Args:
        load: returns a FastAPI ``APIRouter``; called only when a server starts.
    """

    kind: ClassVar[str] = "route"
    hook: ClassVar[str] = "lect_register_routes"

    load: Callable[[], Any]


@dataclass(frozen=True)
class FormatSpec(Spec):
    """A way in which another library lays trained parts into a folder.

    Args:
        detect: what a folder of this format says of itself, None for any other folder; quick, and without torch.
        read: the contents of such a folder, for the backbone it belongs to. Raises `lect.errors.ComponentError`.
        write: lays contents into an empty folder so that the other library loads them on that backbone and gives the
            same outputs; returns a line for each thing that it leaves out ("left out the head …: …") or that its user
            must know. Raises `lect.errors.ComponentError` where nothing of use would be left.
    """

    kind: ClassVar[str] = "format"
    hook: ClassVar[str] = "lect_register_formats"

    detect: Callable[[Path], ForeignFolder | None]
    read: Callable[[Path, Backbone], Contents]
    write: Callable[[Contents, Backbone, Path], Sequence[str]]


@dataclass(frozen=True)
class Problem:
    """A reason why a composition is refused, and what would be right."""

    what: str
    fix: str

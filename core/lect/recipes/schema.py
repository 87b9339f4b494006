"""A recipe as a model: what to train, on what, how."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lect.components.fields import Languages, Licence, Line, Name, StackText, VersionText, check_distinct, tuple_of
from lect.data.cleaning import Cleaning
from lect.data.guard import Overlaps
from lect.errors import nearest
from lect.specs import Pooling, Role, Weights

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Tracker = Literal["tensorboard", "trackio", "wandb", "mlflow"]
Names = Annotated[tuple[str, ...], BeforeValidator(tuple_of)]


class Table(BaseModel):
    """A table of a recipe: frozen, of exact types, and without unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class OpenTable(Table):
    """A table in which a plugin's own keys stand beside those of the recipe; the plugin's spec checks them."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    @property
    def config(self) -> dict[str, Any]:
        """The plugin's keys."""
        return dict(self.model_extra or {})

    @model_validator(mode="before")
    @classmethod
    def _misspelt(cls, values: Any) -> Any:
        # Any key may be the plugin's, so that a misspelt one of the recipe's would only be seen as missing.
        for name, field in cls.model_fields.items():
            if field.is_required() and isinstance(values, dict) and name not in values:
                for close in difflib.get_close_matches(name, [str(key) for key in values], n=1):
                    raise ValueError(f'there is no "{name}"; did you misspell it "{close}"?')
        return values


class ComponentTable(Table):
    """What the trained component will be called and said to be.

    Args:
        languages: BCP 47 tags.
        licence: an SPDX expression; "" where none is stated.
    """

    name: Name
    role: Role
    version: VersionText = "1.0.0"
    languages: Languages = ()
    licence: Licence = ""
    summary: Line = ""


class BackboneTable(Table):
    """The frozen model, and what is said otherwise of it than it says itself.

    Args:
        weights: in what its weights are held while training; what is computed, and its fingerprint, are as ever.
    """

    name: str = Field(default="e5-small", min_length=1)
    pooling: Pooling | None = None
    prefix: str | None = None
    revision: str | None = None
    weights: Weights = "float32"


class PartTable(OpenTable):
    """A method, with its configuration beside it."""

    method: str = Field(min_length=1)


class HeadTable(OpenTable):
    """A head, with its configuration beside it.

    Args:
        labels: in the order of its outputs; None for those that the training rows have, sorted.
    """

    kind: str = Field(min_length=1)
    labels: Names | None = None

    @field_validator("labels")
    @classmethod
    def _labels(cls, labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if labels is not None and (len(labels) < 2 or len(set(labels)) < len(labels)):
            raise ValueError("should be at least two labels, no two the same")
        return labels


class TermTable(OpenTable):
    """One objective of several, with its configuration beside it.

    Args:
        weight: what its loss is multiplied with.
    """

    name: str = Field(min_length=1)
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)


class ObjectiveTable(OpenTable):
    """An objective, with its configuration beside it.

    Args:
        target: the frozen stack whose vectors are aimed at, where the objective aims at some; None for the backbone's.
        terms: the objectives that ``combined`` adds up; the first has the main score.
    """

    name: str = Field(min_length=1)
    target: StackText | None = None
    terms: Annotated[tuple[TermTable, ...], BeforeValidator(tuple_of)] = ()

    @property
    def title(self) -> str:
        """What cards call it: the names of the objectives."""
        return " + ".join(term.name for term in self.terms) or self.name

    @field_validator("terms")
    @classmethod
    def _terms(cls, terms: tuple[TermTable, ...], info: ValidationInfo) -> tuple[TermTable, ...]:
        if terms and info.data.get("name") != "combined":
            raise ValueError('stand under the objective "combined"; set name = "combined"')
        check_distinct([term.name for term in terms], "objective")
        return terms

    @model_validator(mode="after")
    def _combined(self) -> ObjectiveTable:
        if self.name != "combined":
            return self
        if not self.terms:
            raise ValueError("combines nothing; add [[objective.terms]], each with a name and a weight")
        if self.config:
            raise ValueError(f'"{next(iter(self.config))}" is no field of a combined objective; write it into a term')
        return self


class DataTable(OpenTable):
    """One source of examples: a reader, with its configuration beside it.

    Args:
        corpus: what the rows' keys are of, such as ``nusax``: the guard compares keys of one corpus only. "" for what
            gives the keys: the same column of the same reader.
        stack: the frozen stack that the rows go through beneath what is trained; None for the recipe's, "" for none.
    """

    reader: str = Field(min_length=1)
    licence: Line = ""
    corpus: Line = ""
    stack: StackText | None = None


def _tables(value: Any) -> Any:
    return (value,) if isinstance(value, dict | DataTable) else tuple_of(value)


Sources = Annotated[tuple[DataTable, ...], BeforeValidator(_tables)]


class CodeSwitchingTable(Table):
    """Words of training rows that a dictionary puts into another language, drawn anew in each pass.

    Args:
        dictionary: sources of words (as texts) and translations, such as ``{reader = "dictionary", path = "…"}``.
        share: of the words in a row that the dictionary has, the share that is replaced.
        rows: the share of rows that are switched at all.
    """

    dictionary: Sources
    share: Share = 0.5
    rows: Share = 0.5


class DataSection(Table):
    """The examples, from one or several sources.

    Args:
        validation_share: the share of the training examples to validate on, where no validation source is named.
        cleaning: what training rows go through; None to take them as they are.
        evaluation: sources that the result will be judged by; training rows that are in them are counted.
        overlap: what becomes of such rows: the run is refused, they are dropped, or they are allowed.
        guard: files, or patterns such as ``data/**/test*``, that no training source may read.
        code_switching: words put into another language by a dictionary; None for none.
        shots: the most rows of each label that are taken of each training source, drawn by the seed; None for all.
            Validation rows are none of them.
    """

    train: Sources
    validation: Sources = ()
    validation_share: float | None = Field(default=None, gt=0, lt=1)
    cleaning: Cleaning | None = None
    evaluation: Sources = ()
    overlap: Overlaps = "refuse"
    guard: Names = ()
    code_switching: CodeSwitchingTable | None = None
    shots: PositiveInt | None = None

    @field_validator("train")
    @classmethod
    def _train(cls, train: tuple[DataTable, ...]) -> tuple[DataTable, ...]:
        if not train:
            raise ValueError("should be at least one source")
        return train

    @field_validator("validation_share")
    @classmethod
    def _validation_share(cls, share: float | None, info: ValidationInfo) -> float | None:
        if share is not None and info.data.get("validation"):
            raise ValueError("cannot stand beside data.validation; leave one of them out")
        return share

    @property
    def validates(self) -> bool:
        """Whether anything is held out to validate on."""
        return bool(self.validation) or self.validation_share is not None


class RunTable(Table):
    """How long and how exactly a run trains, whatever learns in it.

    Args:
        epochs, steps: the run's length, in one of both; 10 epochs where neither is given.
        batch_size: rows a forward pass, of all processes together; 16 where neither it nor `batch_tokens` is given.
        batch_tokens: instead of `batch_size`: the most pieces a forward pass may have, padding counted, of all
            processes together. Rows of like length come together, so that there are many short ones or few long ones.
        accumulation: forward passes an optimiser step.
        warmup: the share of the run in which the learning rate rises.
        clip: the largest norm of the gradient; 0 for no limit.
        precision: ``auto`` takes bfloat16 where the hardware has it.
        compile: compile the model (`torch.compile`); where that cannot be done, a notice says so.
        gradient_checkpointing: forget what layers compute, and compute it again on the way back, to save memory.
        max_length: longer texts are cut to so many pieces; None for as many as the backbone takes.
        patience: evaluations without gain after which the run ends; None to go on to the end.
        evaluate_every: ``epoch``, or a number of steps.
        checkpoint_every: steps between two checkpoints; None for none by the number of steps.
        checkpoint_minutes: minutes between two checkpoints; 0 for none by the clock. One is always written on Ctrl-C,
            and where the system asks the run to end.
        keep_checkpoints: how many of the newest checkpoints are kept.
        log_every: steps between two lines of `metrics.jsonl`, and between two figures that trackers get.
        trackers: where figures go as well, by Accelerate: ``tensorboard``, ``trackio``, ``wandb`` or ``mlflow``.
    """

    seed: int = Field(default=0, ge=0, lt=2**32)
    epochs: PositiveInt | None = None
    steps: PositiveInt | None = None
    batch_size: PositiveInt | None = None
    batch_tokens: PositiveInt | None = None
    accumulation: PositiveInt = 1
    schedule: Literal["linear", "cosine", "constant", "one-cycle"] = "linear"
    warmup: Share = 0.1
    clip: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    compile: bool = False
    gradient_checkpointing: bool = False
    max_length: int | None = Field(default=None, ge=3)
    patience: PositiveInt | None = None
    evaluate_every: Literal["epoch"] | int = "epoch"
    checkpoint_every: PositiveInt | None = None
    checkpoint_minutes: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    keep_checkpoints: PositiveInt = 2
    log_every: PositiveInt = 10
    trackers: Annotated[tuple[Tracker, ...], BeforeValidator(tuple_of)] = ()

    @model_validator(mode="before")
    @classmethod
    def _default_length(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("epochs") is None and values.get("steps") is None:
            return {**values, "epochs": 10}
        return values

    @model_validator(mode="before")
    @classmethod
    def _one_batch_size(cls, values: Any) -> Any:
        if isinstance(values, dict):
            given = [name for name in ("batch_size", "batch_tokens") if values.get(name) is not None]
            if len(given) == 2:
                raise ValueError("batch_tokens cannot stand beside batch_size; leave one of them out")
            if not given:
                return {**values, "batch_size": 16}
        return values

    @field_validator("steps")
    @classmethod
    def _one_length(cls, steps: int | None, info: ValidationInfo) -> int | None:
        if steps is not None and info.data.get("epochs") is not None:
            raise ValueError("cannot stand beside training.epochs; leave one of them out")
        return steps

    @field_validator("evaluate_every", mode="before")
    @classmethod
    def _evaluate_every(cls, value: Any) -> Any:
        if value != "epoch" and (type(value) is not int or value < 1):
            raise ValueError('should be "epoch" or a number of steps')
        return value


class LearningTable(Table):
    """How fast a component learns, and what it is judged by.

    Args:
        learning_rates: for single methods, and for ``head``.
        metric: the validation score that patience looks at; None for the main one.
    """

    learning_rate: Rate = 5e-4
    learning_rates: dict[str, Rate] = Field(default_factory=dict)
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    metric: str | None = None


class MetaTable(Table):
    """Meta-learning over the sources of the data (`lect.training.meta`).

    Args:
        inner_steps: steps of plain gradient descent that a task is learned for, a batch each.
        inner_rate: their learning rate.
    """

    method: Literal["reptile", "fomaml"] = "reptile"
    inner_steps: PositiveInt = 4
    inner_rate: Rate = 1e-2


class TrainingTable(LearningTable, RunTable):
    """How long, how fast, how exactly: a run in which one component learns.

    Args:
        meta: learn to learn each source of the data in few steps; `accumulation` is then the number of sources in a
            step, and `batch_size` the rows of an inner step. None to learn them.
    """

    meta: MetaTable | None = None

    @model_validator(mode="after")
    def _plain_batches(self) -> TrainingTable:
        if self.meta is not None:
            if self.batch_tokens is not None:
                raise ValueError("meta cannot stand beside batch_tokens; set batch_size")
            if self.precision == "float16":
                raise ValueError('meta cannot learn in float16; set precision = "bfloat16"')
        return self


class OutputTable(Table):
    """Where the run's checkpoints and log go; None for ``runs/<role>-<name>``, or ``runs/mix-<file>``."""

    folder: str | None = Field(default=None, min_length=1)


class Recipe(Table):
    """What to train, on what, how.

    Two recipes are equal where their fields are, wherever they were read from.

    Args:
        stack: the frozen stack beneath what is trained.
    """

    component: ComponentTable
    backbone: BackboneTable = BackboneTable()
    stack: StackText = ""
    parts: Annotated[tuple[PartTable, ...], BeforeValidator(tuple_of)] = ()
    head: HeadTable | None = None
    objective: ObjectiveTable
    data: DataSection
    training: TrainingTable = TrainingTable()
    output: OutputTable = OutputTable()
    _folder: Path = PrivateAttr(default=Path())
    _name: str = PrivateAttr(default="recipe")

    @property
    def key(self) -> str:
        """How stacks name the component: ``lang:jav``."""
        return f"{self.component.role}:{self.component.name}"

    @property
    def folder(self) -> Path:
        """The folder that relative paths of the data start from: the recipe's own."""
        return self._folder

    @property
    def name(self) -> str:
        """The recipe's file, as messages quote it."""
        return self._name

    def placed(self, folder: Path, name: str) -> Recipe:
        """The same recipe, as if read from a file of this name in this folder."""
        copy = self.model_copy()
        copy._folder, copy._name = folder, name
        return copy

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]

    @field_validator("parts")
    @classmethod
    def _parts(cls, parts: tuple[PartTable, ...]) -> tuple[PartTable, ...]:
        check_distinct([part.method for part in parts])
        return parts

    @field_validator("head")
    @classmethod
    def _head(cls, head: HeadTable | None, info: ValidationInfo) -> HeadTable | None:
        component = info.data.get("component")
        if head is not None and component is not None and component.role == "lang":
            raise ValueError('a component of role "lang" has no head; leave it out, or set component.role = "task"')
        return head

    @field_validator("training")
    @classmethod
    def _training(cls, training: TrainingTable, info: ValidationInfo) -> TrainingTable:
        if "parts" in info.data and "head" in info.data:
            learning = [*(part.method for part in info.data["parts"]), *(["head"] if info.data["head"] else [])]
            for name in training.learning_rates:
                if name not in learning:
                    raise ValueError(f'learning_rates: "{name}" is not trained; {nearest(name, learning)}')
        if training.patience is not None and "data" in info.data and not info.data["data"].validates:
            raise ValueError("patience needs validation; add data.validation or data.validation_share")
        if training.meta is not None and "data" in info.data and len(info.data["data"].train) < 2:
            raise ValueError("meta learns over several sources; write each as a [[data.train]]")
        return training

    @model_validator(mode="after")
    def _something(self) -> Recipe:
        if not self.parts and self.head is None:
            raise ValueError("there is nothing to train; add [[parts]] or [head]")
        return self

"""The tables of a recipe: what to train, on what, how."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lect.composition.stack import StackText
from lect.data.cleaning import Cleaning
from lect.data.guard import Overlaps
from lect.fields import Languages, Licence, Line, Name, VersionText, check_distinct, tuple_of
from lect.literals import Pooling, Role, Weights
from lect.recipes.layers import Layers
from lect.recipes.tables import Names, OpenTable, Share, Table


class ComponentTable(Table):
    """What the trained component will be called and said to be.

    Args:
        name: letters, digits, ".", "_" and "-"; stacks call it by this and its role, as in lang:jav.
        role: a language, or a task.
        version: of the component, such as 1.0.0; a registry takes each once.
        languages: BCP 47 tags, or English names, of which the tags are kept.
        licence: an SPDX expression, such as CC-BY-SA-4.0; "" where none is stated, and then nobody may use it.
        summary: a line about it, for its card and for who searches.
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
        name: one that a plugin brings, an id of the Hugging Face hub, or a folder.
        pooling: how a sentence vector is made of the hidden states; None for what the backbone says itself.
        prefix: a text put before every input; None for what the backbone says itself.
        revision: a commit, tag or branch on the hub.
        weights: in what its weights are held while training; what is computed, and its fingerprint, are as ever.
    """

    name: str = Field(default="e5-small", min_length=1)
    pooling: Pooling | None = None
    prefix: str | None = None
    revision: str | None = None
    weights: Weights = "float32"


class PartTable(OpenTable):
    """A method, with its configuration beside it.

    Args:
        method: its name; `lect plugins --hook lect_register_methods` lists them.
        layers: those of the backbone that the part acts in, whatever the method; None for what its configuration says.
    """

    method: str = Field(min_length=1)
    layers: Layers | None = None


class HeadTable(OpenTable):
    """A head, with its configuration beside it.

    Args:
        kind: what it answers, such as ``classification``; `lect plugins --hook lect_register_heads` lists them.
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
        name: of the objective.
        weight: what its loss is multiplied with.
    """

    name: str = Field(min_length=1)
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)


class ObjectiveTable(OpenTable):
    """An objective, with its configuration beside it.

    Args:
        name: what is minimised, such as ``alignment``; ``combined`` adds up several.
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
        reader: its name, such as ``csv``; `lect plugins --hook lect_register_readers` lists them.
        licence: of the data, as its owner states it.
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
        train: what is learned from: one source, or several.
        validation: what is scored while training, and never learned from.
        validation_share: the share of the training examples to validate on, where no validation source is named; of a
            language's corpus whole blocks of neighbouring rows, as rows of one document say little of other texts.
        cleaning: what training rows go through; None to take them as they are.
        evaluation: sources that the result will be judged by; training rows that are in them are counted.
        overlap: what becomes of training rows that are in the evaluation sources: the run is refused, they are dropped,
            or they are allowed.
        guard: files, or patterns such as ``data/**/test*``, that no training source may read.
        code_switching: words put into another language by a dictionary; None for none.
        shots: the most rows of each label that are taken of each training source, drawn by the seed; None for all.
            Validation rows are none of them.
        sampling: ``balanced`` repeats rows of the rarer labels until each label has as many rows as the commonest, so
            that an epoch has more steps; None to take every row once.
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
    sampling: Literal["balanced"] | None = None

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
            raise ValueError(
                "cannot stand beside data.validation; leave one of them out, with --set data.validation= or --set "
                "data.validation_share= on the command line"
            )
        return share

    @property
    def validates(self) -> bool:
        """Whether anything is held out to validate on."""
        return bool(self.validation) or self.validation_share is not None


class OutputTable(Table):
    """Where the run keeps what it writes beside the component.

    Args:
        folder: for checkpoints and the log; None for ``runs/<role>-<name>``, or ``runs/mix-<file>``.
    """

    folder: str | None = Field(default=None, min_length=1)

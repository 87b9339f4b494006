"""The built-in method and objectives as specs: configurations here, the work in modules that load torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from lect.builtins.dictionaries import DictionaryConfig
from lect.builtins.language_modelling.config import OBJECTIVES as PIECE_OBJECTIVES
from lect.builtins.over import Over
from lect.fields import Config
from lect.specs import BuildContext, MergeSpec, MethodSpec, ObjectiveSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lect.objectives import Objective, ObjectiveContext
    from lect.parts import Part


class FullConfig(Config):
    """Full fine-tuning has nothing to configure."""


class FusionConfig(Config):
    """Learned attention over several language components (AdapterFusion, Pfeiffer et al. 2021)."""

    over: Over = Field(description='the components, all of one method, such as ["lang:jav", "lang:sun"]')
    regularisation: float = Field(
        0.01, ge=0, allow_inf_nan=False, description="weight of the distance of the value matrices from the identity"
    )


class LinearConfig(Config):
    """A weighted sum has nothing to configure."""


class SupervisedConfig(Config):
    """The head says what its loss is; there is nothing to configure."""


class AlignmentConfig(Config):
    """How strongly vectors are pulled together, and what they are told apart from."""

    distance: float = Field(100.0, ge=0, description="weight of the mean squared error")
    contrast: float = Field(0.2, ge=0, description="weight of the cross-entropy over cosines")
    temperature: float = Field(0.05, gt=0, description="cosines are divided by this")
    candidates: Literal["batch", "all"] = Field(
        "batch", description="the translations each row is told apart from: its batch's, or all of the training set"
    )
    tokens: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="weight of the mean squared error between words and those that translate them; 0 for none",
    )
    dictionary: DictionaryConfig | None = Field(
        None, description="the reader's fields: words whose partners it knows need not find them by their states"
    )

    @model_validator(mode="after")
    def _dictionary_of_tokens(self) -> AlignmentConfig:
        if self.dictionary is not None and not self.tokens:
            raise ValueError("the dictionary is of no use without tokens; give tokens a weight")
        return self


def _full(config: FullConfig, context: BuildContext) -> Part:
    from lect.builtins.full import FullPart

    return FullPart(context)


def _fusion(config: FusionConfig, context: BuildContext) -> Part:
    from lect.builtins.fusion import FusionPart

    return FusionPart(config, context)


def _linear(config: LinearConfig, name: str, tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    total = tensors[0] * weights[0]
    for tensor, weight in zip(tensors[1:], weights[1:], strict=True):
        total = total + tensor * weight
    return total


def _supervised(config: SupervisedConfig, context: ObjectiveContext) -> Objective:
    from lect.builtins.supervised import SupervisedObjective
    from lect.heads import WritingHead

    head = context.model.head_of(context.stack)
    if isinstance(head, WritingHead):
        from lect.builtins.generation import WritingObjective

        return WritingObjective(context, head)
    return SupervisedObjective(context)


def _alignment(config: AlignmentConfig, context: ObjectiveContext) -> Objective:
    from lect.builtins.alignment import AlignmentObjective

    return AlignmentObjective(config, context)


METHODS = (
    MethodSpec("full", "full fine-tuning: an own copy of every weight", FullConfig, _full),
    MethodSpec(
        "fusion",
        "learned attention over the outputs of several components",
        FusionConfig,
        _fusion,
        members=lambda config: config.over,
    ),
)

MERGES = (MergeSpec("linear", "the weighted sum", LinearConfig, _linear, is_linear=True),)

OBJECTIVES = (
    *PIECE_OBJECTIVES,
    ObjectiveSpec("supervised", "the head's loss on labelled rows", SupervisedConfig, _supervised),
    ObjectiveSpec(
        "alignment",
        "pulls a language's sentence vectors to those of its translations",
        AlignmentConfig,
        _alignment,
        needs=("translation",),
    ),
)

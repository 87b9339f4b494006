"""The built-in method and objectives as specs: configurations here, the work in modules that load torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lect.specs import BuildContext, Config, MethodSpec, ObjectiveSpec

if TYPE_CHECKING:
    from lect.composition.part import Part
    from lect.training.objective import Objective, ObjectiveContext


class FullConfig(Config):
    """Full fine-tuning has nothing to configure."""


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


def _full(config: FullConfig, context: BuildContext) -> Part:
    from lect.builtins.full import FullPart

    return FullPart(context)


def _supervised(config: SupervisedConfig, context: ObjectiveContext) -> Objective:
    from lect.builtins.supervised import SupervisedObjective

    return SupervisedObjective(context)


def _alignment(config: AlignmentConfig, context: ObjectiveContext) -> Objective:
    from lect.builtins.alignment import AlignmentObjective

    return AlignmentObjective(config, context)


METHODS = (MethodSpec("full", "full fine-tuning: an own copy of every weight", FullConfig, _full),)

OBJECTIVES = (
    ObjectiveSpec("supervised", "the head's loss on labelled rows", SupervisedConfig, _supervised, needs=("label",)),
    ObjectiveSpec(
        "alignment",
        "pulls a language's sentence vectors to those of its translations",
        AlignmentConfig,
        _alignment,
        needs=("translation",),
    ),
)

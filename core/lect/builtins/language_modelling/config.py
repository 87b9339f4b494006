"""The objectives over pieces as specs: configurations here, the work in modules that load torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lect.fields import Config
from lect.specs import ObjectiveSpec

if TYPE_CHECKING:
    from lect.objectives import Objective, ObjectiveContext


class PredictionConfig(Config):
    """Among which pieces the right one is to be found while training; scores are always over all of them."""

    candidates: Literal["auto", "corpus", "all"] = Field(
        "auto", description="all pieces, or those the training text uses and a sample of the others"
    )
    sampled: int = Field(1024, gt=0, description="the size of that sample, drawn anew for each pass")


class CausalConfig(PredictionConfig):
    """The next piece from those before it (decoders)."""


class MaskedConfig(PredictionConfig):
    """How much is hidden, and where the head comes from if the backbone's checkpoint has none."""

    masked: float = Field(0.15, gt=0, lt=1, description="the share of the pieces that is to be predicted")
    head_steps: int = Field(400, gt=0, description="steps that a head is trained for, once per backbone")
    head_text: str | None = Field(
        None, min_length=1, description="a file to train that head on, one text a line; the run's own text if absent"
    )


def _masked(config: MaskedConfig, context: ObjectiveContext) -> Objective:
    from lect.builtins.language_modelling.masked import MaskedObjective

    return MaskedObjective(config, context)


def _translation(config: MaskedConfig, context: ObjectiveContext) -> Objective:
    from lect.builtins.language_modelling.masked import MaskedObjective

    return MaskedObjective(config, context, with_translations=True)


def _causal(config: CausalConfig, context: ObjectiveContext) -> Objective:
    from lect.builtins.language_modelling.causal import CausalObjective

    return CausalObjective(config, context)


OBJECTIVES = (
    ObjectiveSpec("masked-lm", "predicts hidden pieces of raw text", MaskedConfig, _masked),
    ObjectiveSpec(
        "translation-lm",
        "predicts hidden pieces of a sentence and its translation, read together",
        MaskedConfig,
        _translation,
        needs=("translation",),
    ),
    ObjectiveSpec("causal-lm", "predicts the next piece of raw text (decoders)", CausalConfig, _causal),
)

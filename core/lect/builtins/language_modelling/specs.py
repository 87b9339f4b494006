"""The objectives that predict tokens, as specs; the work is in modules that load torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lect.builtins.language_modelling.config import CausalConfig, MaskedConfig
from lect.specs import ObjectiveSpec

if TYPE_CHECKING:
    from lect.objectives import Objective, ObjectiveContext


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
    ObjectiveSpec("masked-lm", "predicts hidden tokens of raw text", MaskedConfig, _masked),
    ObjectiveSpec(
        "translation-lm",
        "predicts hidden tokens of a sentence and its translation, read together",
        MaskedConfig,
        _translation,
        needs=("translation",),
    ),
    ObjectiveSpec("causal-lm", "predicts the next token of raw text (decoders)", CausalConfig, _causal),
)

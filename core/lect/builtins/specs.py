"""The built-in methods, merges, objectives and identifiers as specs; the work is in modules that load torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lect.builtins.configs import AlignmentConfig, FullConfig, FusionConfig, LinearConfig, SupervisedConfig
from lect.builtins.language_modelling.specs import OBJECTIVES as LANGUAGE_MODEL_OBJECTIVES
from lect.errors import RecipeError
from lect.languages.installed import load_py3langid
from lect.specs import BuildContext, IdentifierSpec, MergeSpec, MethodSpec, ObjectiveSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from lect.backbones import Backbone
    from lect.objectives import Objective, ObjectiveContext
    from lect.parts import Part


def _full(config: FullConfig, context: BuildContext) -> Part:
    from lect.builtins.full import FullPart

    return FullPart(config, context)


def _full_in_layers(config: FullConfig, layers: Sequence[int], backbone: Backbone) -> Mapping[str, Any]:
    if config.only_layers is not None:
        raise RecipeError("the layers are said twice, by only_layers too", fix="keep one of both")
    return {"only_layers": list(layers)}


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
    from lect.heads import GenerationHead

    head = context.model.head_of(context.stack)
    if isinstance(head, GenerationHead):
        from lect.builtins.generation import GenerationObjective

        return GenerationObjective(context, head)
    return SupervisedObjective(context)


def _alignment(config: AlignmentConfig, context: ObjectiveContext) -> Objective:
    from lect.builtins.alignment import AlignmentObjective

    return AlignmentObjective(config, context)


METHODS = (
    MethodSpec("full", "full fine-tuning: an own copy of every weight", FullConfig, _full, in_layers=_full_in_layers),
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
    *LANGUAGE_MODEL_OBJECTIVES,
    ObjectiveSpec("supervised", "the head's loss on labelled rows", SupervisedConfig, _supervised),
    ObjectiveSpec(
        "alignment",
        "pulls a language's sentence vectors to those of its translations",
        AlignmentConfig,
        _alignment,
        needs=("translation",),
    ),
)

IDENTIFIERS = (IdentifierSpec("py3langid", "140 languages, by the package py3langid", load_py3langid),)

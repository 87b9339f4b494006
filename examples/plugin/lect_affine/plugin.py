"""Registers the method `affine`, the head `ordinal` and the reader `po`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from lect import BuildContext, Config, HeadSpec, MethodSpec, ReaderSpec, RecipeError, hookimpl

if TYPE_CHECKING:
    from lect import Backbone, Example, Head, Part


class AffineConfig(Config):
    """Where the scale and shift act."""

    last_layers: int | None = Field(None, gt=0, description="only in so many of the last layers; in all where absent")


class OrdinalConfig(Config):
    """Which labels there are, the lowest first."""

    order: list[str] | None = Field(None, min_length=2, description="the labels; sorted as numbers where absent")
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout of the sentence vector, in training")


def _affine(config: AffineConfig, context: BuildContext) -> Part:
    from lect_affine.part import AffinePart

    return AffinePart(config, context.backbone)


def _affine_in_layers(config: AffineConfig, layers: Sequence[int], backbone: Backbone) -> Mapping[str, int]:
    count = len(backbone.anatomy.layers)
    if list(layers) != list(range(count - len(layers), count)):
        raise RecipeError("this method acts in the last layers, or in all", fix='choose layers = "last 3", say')
    return {"last_layers": len(layers)}


def _ordinal(config: OrdinalConfig, backbone: Backbone, labels: Sequence[str]) -> Head:
    from lect_affine.ordinal import OrdinalHead

    return OrdinalHead(config, backbone, labels)


def _in_order(config: OrdinalConfig, examples: Sequence[Example]) -> Sequence[str]:
    from lect_affine.ordinal import labels_in_order

    return labels_in_order(config, examples)


@hookimpl
def lect_register_methods() -> Iterable[MethodSpec]:
    """One method."""
    return (
        MethodSpec(
            name="affine",
            summary="a learned scale and shift after every feed-forward block",
            config=AffineConfig,
            build=_affine,
            in_layers=_affine_in_layers,
        ),
    )


@hookimpl
def lect_register_heads() -> Iterable[HeadSpec]:
    """One head."""
    return (
        HeadSpec(
            name="ordinal",
            summary="one of several labels in an order: stars, levels",
            config=OrdinalConfig,
            build=_ordinal,
            labels=_in_order,
            pipeline_tag="text-classification",
        ),
    )


@hookimpl
def lect_register_readers() -> Iterable[ReaderSpec]:
    """One reader."""
    from lect_affine.dotlang import LangConfig, read_lang

    return (ReaderSpec("lang", "translated messages of web pages", LangConfig, read_lang, endings=(".lang",)),)

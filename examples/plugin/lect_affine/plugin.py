"""Registers the method `affine`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from lect import BuildContext, Config, MethodSpec, hookimpl

if TYPE_CHECKING:
    from lect import Part


class AffineConfig(Config):
    """Where the scale and shift act."""

    last_layers: int | None = Field(None, gt=0, description="only in so many of the last layers; in all where absent")


def _affine(config: AffineConfig, context: BuildContext) -> Part:
    from lect_affine.part import AffinePart

    return AffinePart(config, context.backbone)


@hookimpl
def lect_register_methods() -> Iterable[MethodSpec]:
    """One method."""
    return (
        MethodSpec(
            name="affine",
            summary="a learned scale and shift after every feed-forward block",
            config=AffineConfig,
            build=_affine,
        ),
    )

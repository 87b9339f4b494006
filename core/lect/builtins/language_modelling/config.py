"""The configurations of the objectives that predict tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lect.fields import Config


class PredictionConfig(Config):
    """Among which tokens the right one is to be found while training; scores are always over all of them."""

    candidates: Literal["auto", "corpus", "all"] = Field(
        "auto", description="all tokens, or those the training text uses and a sample of the others"
    )
    sampled: int = Field(1024, gt=0, description="the size of that sample, drawn anew for each pass")


class CausalConfig(PredictionConfig):
    """The next token from those before it (decoders)."""


class MaskedConfig(PredictionConfig):
    """How much is hidden, and where the head comes from if the backbone's checkpoint has none."""

    masked: float = Field(0.15, gt=0, lt=1, description="the share of the tokens that is to be predicted")
    head_steps: int = Field(400, gt=0, description="steps that a head is trained for, once per backbone")
    head_text: str | None = Field(
        None, min_length=1, description="a file to train that head on, one text a line; the run's own text if absent"
    )

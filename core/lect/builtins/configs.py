"""The configurations of the built-in methods, merges and objectives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, model_validator

from lect.builtins.dictionaries import DictionaryConfig
from lect.builtins.over import Over
from lect.fields import Config


class FullConfig(Config):
    """Which weights are trained."""

    only_layers: tuple[NonNegativeInt, ...] | None = Field(
        None, min_length=1, description="those of these layers alone, from 0; all of the backbone's where absent"
    )


class FusionConfig(Config):
    """Learned attention over several language components (AdapterFusion, Pfeiffer et al. 2021)."""

    over: Over = Field(description='the components, all of one method, such as ["lang:jav", "lang:sun"]')
    regularisation: float = Field(
        0.01, ge=0, allow_inf_nan=False, description="weight of the distance of the value matrices from the identity"
    )


class LinearConfig(Config):
    """A weighted sum has nothing to configure."""


class SupervisedConfig(Config):
    """The head says what its loss is; there is nothing to configure."""


class AlignmentConfig(Config):
    """How strongly vectors are pulled together, and what they are told apart from."""

    distance: float = Field(100.0, ge=0, description="weight of the mean squared error")
    contrast: float = Field(0.2, ge=0, description="weight of the cross-entropy over cosines")
    temperature: float = Field(0.05, gt=0, description="cosines are divided by this")
    candidates: Literal["batch", "all"] = Field(
        "batch", description="the translations each row is told apart from: its batch's, or all of the training set"
    )
    tokens: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="weight of the mean squared error between words and those that translate them; 0 for none",
    )
    dictionary: DictionaryConfig | None = Field(
        None, description="the reader's fields: words whose partners it knows need not find them by their states"
    )

    @model_validator(mode="after")
    def _dictionary_of_tokens(self) -> AlignmentConfig:
        if self.dictionary is not None and not self.tokens:
            raise ValueError("the dictionary is of no use without tokens; give tokens a weight")
        return self

"""Registers the heads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lect import Config, HeadSpec, hookimpl

if TYPE_CHECKING:
    from lect import Backbone, Head


class ClassificationConfig(Config):
    """A small multi-layer perceptron over the sentence vector."""

    layers: Literal[1, 2] = Field(2, description="1: no hidden layer")
    hidden: int | None = Field(None, gt=0, description="width of the hidden layer; the backbone's where absent")
    activation: Literal["gelu", "gelu_new", "relu", "silu", "tanh"] = Field(
        "gelu", description="after the hidden layer"
    )
    pooling: Literal["mean", "first"] | None = Field(
        None, description="how the sentence vector is made of the hidden states; as the backbone does it where absent"
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout before each layer, in training")


def _classification(config: ClassificationConfig, backbone: Backbone, labels: Sequence[str]) -> Head:
    from lect_heads.classification import ClassificationHead

    return ClassificationHead(config, backbone, labels)


@hookimpl
def lect_register_heads() -> Iterable[HeadSpec]:
    """One label a text, or a pair of texts."""
    return (
        HeadSpec(
            name="classification",
            summary="one label a text or pair of texts: sentiment, topic, inference",
            config=ClassificationConfig,
            build=_classification,
            metrics=("classification",),
        ),
    )

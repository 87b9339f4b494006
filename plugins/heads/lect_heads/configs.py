"""What the heads can be told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lect import Config

Overlap = Field(32, ge=0, description="tokens that two rows of a long text share")
Dropout = Field(0.1, ge=0, lt=1, description="dropout before each layer, in training")


ClassWeights = Literal["balanced"] | dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]]


class PooledConfig(Config):
    """A small multi-layer perceptron over the sentence vector."""

    layers: Literal[1, 2] = Field(2, description="1: no hidden layer")
    hidden: int | None = Field(None, gt=0, description="width of the hidden layer; the backbone's where absent")
    activation: Literal["gelu", "gelu_new", "relu", "silu", "tanh"] = Field(
        "gelu", description="after the hidden layer"
    )
    pooling: Literal["mean", "first", "last"] | None = Field(
        None, description="how the sentence vector is made of the hidden states; as the backbone does it where absent"
    )
    dropout: float = Dropout


class ClassificationConfig(PooledConfig):
    """One label a text."""

    class_weights: ClassWeights | None = Field(
        None,
        description='how much the loss of a label\'s rows counts: "balanced" for as much in all as of any other label, '
        "or weights by label, 1 for those not named; all the same where absent",
    )


class MultiLabelConfig(PooledConfig):
    """As classification, with any number of labels a text."""

    class_weights: ClassWeights | None = Field(
        None,
        description='how much a row that has a label counts beside one that has not: "balanced" for as much in all, or '
        "weights by label, 1 for those not named; the same where absent",
    )

    separator: str = Field("|", min_length=1, description="between the labels in a reader's label column")
    threshold: float = Field(0.5, gt=0, lt=1, description="a label this probable is given")


class RegressionConfig(PooledConfig):
    """As classification, with a number for an answer: the label column's, where a reader gives no value."""

    loss: Literal["mse", "l1", "smooth_l1"] = Field("mse", description="the distance to the true number")


class PosConfig(Config):
    """One tag a word."""

    dropout: float = Dropout
    overlap: int = Overlap


class TaggingConfig(PosConfig):
    """One tag a word, for entities."""

    scheme: Literal["iob1", "bio", "bioes"] = Field("bio", description="what is learned, whatever scheme is read")


class QuestionAnsweringConfig(Config):
    """A stretch of the context."""

    dropout: float = Dropout
    overlap: int = Field(64, ge=0, description="tokens that two rows of a long context share")
    longest: int = Field(30, gt=0, description="the most tokens that an answer may have")
    n_best: int = Field(5, gt=0, description="answers listed with their probabilities")
    no_answer: bool = Field(False, description="whether a context may hold no answer")
    threshold: float = Field(0.0, description="by how much no answer must score above the best one")


class ChoiceConfig(Config):
    """A score for each choice."""

    layers: Literal[1, 2] = Field(2, description="1: no hidden layer")
    hidden: int | None = Field(None, gt=0, description="width of the hidden layer; the backbone's where absent")
    activation: Literal["gelu", "gelu_new", "relu", "silu", "tanh"] = Field(
        "gelu", description="after the hidden layer"
    )
    dropout: float = Dropout
    pooling: Literal["mean", "first", "last"] | None = Field(
        None, description="how the vector is made of the hidden states; as the backbone does it where absent"
    )
    prompts: dict[str, str] = Field(
        {"cause": "What was the cause?", "effect": "What happened as a result?"},
        description="what is put behind the premise for a kind of question; any other question stands as it is",
    )


class RetrievalConfig(Config):
    """A vector a text, near those of what it matches (a bi-encoder)."""

    pooling: Literal["mean", "first", "max", "last"] | None = Field(
        None, description="how the vector is made of the hidden states; as the backbone does it where absent"
    )
    projection: int | None = Field(None, gt=0, description="width of a linear layer over it; none where absent")
    temperature: float = Field(0.05, gt=0, allow_inf_nan=False, description="cosines are divided by this")
    learned: bool = Field(False, description="learn the temperature, from there on")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout of the vector, in training")


class ParsingConfig(Config):
    """A biaffine parser (Dozat & Manning 2017)."""

    arc: int = Field(256, gt=0, description="width of the vectors that arcs are scored with")
    relation: int = Field(96, gt=0, description="width of the vectors that relations are scored with")
    dropout: float = Field(0.33, ge=0, lt=1, description="dropout of hidden states and of those vectors, in training")
    overlap: int = Overlap
    tags: bool = Field(True, description="learn parts of speech, too, where the training rows have them")


class TranslationConfig(Config):
    """A text in another language."""

    source: str | None = Field(None, min_length=1, description="the texts' language, a tag such as en; prompts name it")
    target: str | None = Field(None, min_length=1, description="the language to write, likewise")
    prompt: str | None = Field(
        None,
        min_length=1,
        description="what the backbone is given, with {text}, {source} and {target}; for decoders an instruction and "
        "for encoder-decoders the text alone where absent",
    )
    source_code: str | None = Field(
        None, min_length=1, description="the token for the texts' language, where the backbone has one: eng_Latn, en_XX"
    )
    target_code: str | None = Field(
        None, min_length=1, description="the token for the language to write, which an answer is made to begin with"
    )
    longest: int = Field(128, gt=0, description="the most tokens of a translation; half of a row at most")
    beams: int = Field(1, gt=0, description="beginnings that are kept at a time; 1 for the likeliest token each time")
    length_penalty: float = Field(1.0, allow_inf_nan=False, description="of beams: the larger, the longer")

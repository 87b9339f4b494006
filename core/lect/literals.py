"""Words that several floors share: the roles of components, and how backbones are held and pooled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Role = Literal["lang", "task"]
Pooling = Literal["mean", "first", "last"]
"""How a sentence vector is made of a text's hidden states."""
Weights = Literal["float32", "bfloat16", "int8", "int4"]
"""The type in which a backbone's frozen weights are held in memory."""
ComputePrecision = Literal["float32", "bfloat16", "int8"]
"""The type in which a model computes; int8 is that of its frozen projections, on a CPU."""
RequestedPrecision = Literal["auto", "float32", "bfloat16", "int8"]
"""The type that is asked for; ``auto`` is the fastest one that the processor is made for."""
Use = Literal["retrieval", "classification", "tagging"]
"""What is made of a text's hidden states: a vector that is compared, an answer for the text, answers for its words."""
PredictionFormat = Literal["jsonl", "csv", "parquet", "text"]
EmbeddingFormat = Literal["npy", "parquet", "jsonl"]
"""How answers and vectors are written."""
Progress = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done, 0 to 1."""


def no_progress(_what: str, _share: float) -> None:
    """A `Progress` that shows nothing."""

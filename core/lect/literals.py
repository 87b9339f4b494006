"""Words that several floors share: the roles of components, and how backbones are held and pooled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Role = Literal["lang", "task"]
Pooling = Literal["mean", "first", "last"]
"""How a sentence vector is made of a text's hidden states."""
Weights = Literal["float32", "bfloat16", "int8", "int4"]
"""In what a backbone's frozen weights are held."""
ComputePrecision = Literal["float32", "bfloat16"]
"""In what a model computes."""
Progress = Callable[[str, float], None]
"""Told what is being done and the share of it that is done, 0 to 1."""


def no_progress(_what: str, _share: float) -> None:
    """Progress that nobody is told of."""

"""A frozen multilingual model with its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from torch import Tensor, nn

from lect.backbones.anatomy import Anatomy, read_anatomy
from lect.backbones.fingerprint import fingerprint_of


@dataclass(frozen=True)
class Backbone:
    """A multilingual model and its tokenizer, frozen.

    Args:
        name: what the user calls it.
        identity: hub id, folder or package it came from.
        revision: the hub's commit, where there is one.
        model: a `transformers` encoder, every parameter frozen, in evaluation mode.
        tokenizer: its fast tokenizer.
        pooling: how a sentence vector is made of the hidden states.
        prefix: a text put before every input.
    """

    name: str
    identity: str
    model: Any
    tokenizer: Any
    pooling: Literal["mean", "first"] = "mean"
    prefix: str = ""
    revision: str | None = None
    licence: str = ""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the parameters and the tokenizer, as 64 hexadecimal digits."""
        return fingerprint_of(self.model, self.tokenizer)

    @cached_property
    def anatomy(self) -> Anatomy:
        """Where the model's parts lie."""
        return read_anatomy(self.model)

    @property
    def hidden_size(self) -> int:
        """The width of a hidden state."""
        return int(self.model.config.hidden_size)

    @property
    def max_length(self) -> int:
        """The most pieces an input may have, special ones included."""
        return max_length_of(self.model, self.tokenizer)

    def module(self, path: str) -> nn.Module:
        """The model's module at a path such as ``encoder.layer.0.output.dense``."""
        found: nn.Module = self.model.get_submodule(path)
        return found

    def pool(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Sentence vectors.

        Args:
            hidden_states: *Shape:* ``(rows, length, hidden)``.
            attention_mask: *Shape:* ``(rows, length)``.

        Returns:
            *Shape:* ``(rows, hidden)``.
        """
        if self.pooling == "first":
            return hidden_states[:, 0]
        mask = attention_mask.unsqueeze(-1).to(hidden_states.dtype)
        return (hidden_states * mask).sum(1) / mask.sum(1).clamp_min(1)


def max_length_of(model: Any, tokenizer: Any) -> int:
    """The most pieces an input may have: the positions the model holds, bounded by what its tokenizer says."""
    positions = int(getattr(model.config, "max_position_embeddings", 512))
    # RoBERTa and its kin count positions from the padding id on, so that many rows of the table are never used.
    if model.config.model_type in {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert"}:
        positions -= int(model.config.pad_token_id) + 1
    stated = int(getattr(tokenizer, "model_max_length", positions))
    return min(positions, stated)

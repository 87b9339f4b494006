"""What turns a hidden state into the logit of every token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from lect.parts import NewTokens


class Transform(nn.Module):
    """Dense layer, activation, layer norm: what stands between hidden states and embeddings (Devlin et al. 2019)."""

    def __init__(
        self,
        hidden: int,
        width: int,
        activation: Callable[[Tensor], Tensor] = gelu,
        eps: float = 1e-12,
        dense_bias: bool = True,
        norm_bias: bool = True,
    ) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden, width, bias=dense_bias)
        self.norm = nn.LayerNorm(width, eps=eps, bias=norm_bias)
        self._activation = activation

    def forward(self, hidden_states: Tensor) -> Tensor:
        """*Shape:* ``(..., hidden)`` to ``(..., width)``."""
        normed: Tensor = self.norm(self._activation(self.dense(hidden_states)))
        return normed


@dataclass(frozen=True)
class LanguageModelHead:
    """The logits of tokens: products of a transformed hidden state with a row for each token, and a bias.

    Args:
        transform: from hidden states to the rows' width.
        matrix: *Shape:* ``(tokens, width)``; the backbone's frozen embeddings, or rows of the head's own.
        bias: *Shape:* ``(tokens,)``.
        cap: logits are bounded by this, through a hyperbolic tangent (Gemma 2); None for no bound.
    """

    transform: nn.Module
    matrix: Tensor
    bias: Tensor
    cap: float | None = None

    def logits(self, states: Tensor, rows: Tensor, bias: Tensor) -> Tensor:
        """The logits for transformed states (*Shape:* ``(places, width)``) of the tokens of these rows."""
        # In the types of autocast where that is on.
        found = (states @ rows.to(states.dtype).T).float() + bias.float()
        return found if self.cap is None else torch.tanh(found / self.cap) * self.cap


def known_tokens(head: LanguageModelHead, new: NewTokens | None) -> int:
    """The number of tokens that have the head's own rows: those of ids below the first new one."""
    return int(head.matrix.shape[0]) if new is None else min(int(head.matrix.shape[0]), new.first)

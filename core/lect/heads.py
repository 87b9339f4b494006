"""The seam between task heads and the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from lect.data.examples import Example


@dataclass(frozen=True)
class Prediction:
    """A head's answer for one row: the answer, its probability, and that of every alternative."""

    answer: str
    score: float
    scores: dict[str, float] = field(default_factory=dict)


class Head(nn.Module):
    """What turns hidden states into answers; its parameters and buffers are what is saved.

    `labels` is fixed when the head is built.
    """

    labels: tuple[str, ...] = ()

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits.

        Args:
            hidden_states: *Shape:* ``(rows, length, hidden)``.
            attention_mask: *Shape:* ``(rows, length)``; 1 where there is a piece, 0 where there is padding.
        """
        raise NotImplementedError

    def targets(self, examples: Sequence[Example]) -> Tensor:
        """What the logits of these examples should say, in the form that `loss` takes. Raises `DataError`."""
        raise NotImplementedError

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The scalar to minimise, the mean over rows."""
        raise NotImplementedError

    def decode(self, logits: Tensor) -> list[Prediction]:
        """An answer for each row."""
        raise NotImplementedError

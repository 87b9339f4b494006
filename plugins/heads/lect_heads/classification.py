"""Sequence classification over the backbone's sentence vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lect.errors import DataError, nearest
from lect.heads import Head, Prediction

if TYPE_CHECKING:
    from lect import Backbone, Example
    from lect_heads.plugin import ClassificationConfig


class ClassificationHead(Head):
    """Dropout, a hidden layer, GELU, dropout, and one logit a label."""

    def __init__(self, config: ClassificationConfig, backbone: Backbone, labels: Sequence[str]) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self._pool = backbone.pool
        self._indices = {label: index for index, label in enumerate(self.labels)}
        width = config.hidden or backbone.hidden_size
        self.hidden = nn.Linear(backbone.hidden_size, width)
        self.output = nn.Linear(width, len(self.labels))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits, *Shape:* ``(rows, labels)``."""
        vectors = self._pool(hidden_states, attention_mask)
        return self.output(self.dropout(nn.functional.gelu(self.hidden(self.dropout(vectors)))))

    def targets(self, examples: Sequence[Example]) -> Tensor:
        """Each row's label as an index, *Shape:* ``(rows,)``."""
        return torch.tensor([self._index(example) for example in examples])

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, the mean over rows."""
        return nn.functional.cross_entropy(logits, targets)

    def decode(self, logits: Tensor) -> list[Prediction]:
        """The most probable label of each row."""
        predictions = []
        for row in logits.softmax(-1).tolist():
            scores = dict(zip(self.labels, row, strict=True))
            answer = max(scores, key=scores.__getitem__)
            predictions.append(Prediction(answer, scores[answer], scores))
        return predictions

    def _index(self, example: Example) -> int:
        if example.label not in self._indices:
            raise DataError(
                f'unknown label "{example.label}"',
                where=example.origin,
                fix=nearest(example.label or "", self.labels),
            )
        return self._indices[example.label]

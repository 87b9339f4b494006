"""Sequence classification over the backbone's sentence vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from lect.errors import DataError, nearest
from lect.heads import Head, Layout, Prediction

if TYPE_CHECKING:
    from lect import Backbone, Example
    from lect_heads.plugin import ClassificationConfig


class ClassificationHead(Head):
    """Dropout, a hidden layer with its activation and dropout where there is one, and one logit a label."""

    def __init__(self, config: ClassificationConfig, backbone: Backbone, labels: Sequence[str]) -> None:
        super().__init__()
        self.labels = tuple(labels)
        own = replace(backbone, pooling=config.pooling) if config.pooling else backbone
        self._pool = own.pool
        self._indices = {label: index for index, label in enumerate(self.labels)}
        width = config.hidden or backbone.hidden_size
        self.hidden = nn.Linear(backbone.hidden_size, width) if config.layers == 2 else None
        self._activation = ACT2FN[config.activation]
        self.output = nn.Linear(width if config.layers == 2 else backbone.hidden_size, len(self.labels))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits, *Shape:* ``(rows, labels)``."""
        vectors = self.dropout(self._pool(hidden_states, attention_mask))
        if self.hidden is not None:
            vectors = self.dropout(self._activation(self.hidden(vectors)))
        return self.output(vectors)

    def answers(self, examples: Sequence[Example]) -> list[str]:
        """Each row's label."""
        return [self.labels[self._index(example)] for example in examples]

    def targets(self, examples: Sequence[Example], layout: Layout | None = None) -> Tensor:
        """Each row's label as an index, *Shape:* ``(rows,)``."""
        return torch.tensor([self._index(example) for example in examples])

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, the mean over rows."""
        return nn.functional.cross_entropy(logits, targets)

    def decode(
        self, logits: Tensor, examples: Sequence[Example] = (), layout: Layout | None = None
    ) -> list[Prediction]:
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

"""One of several labels in an order, such as stars: the proportional odds model (McCullagh 1980) over sentence vectors.

One score a text, and a threshold between each label and the next: to be off by two costs more than to be off by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from lect import DataError, Head, Layout, Prediction, nearest

if TYPE_CHECKING:
    from lect import Backbone, Example
    from lect_affine.plugin import OrdinalConfig


def labels_in_order(config: OrdinalConfig, examples: Sequence[Example]) -> Sequence[str]:
    """The configuration's, or the rows' own: by number where all are numbers. Raises `DataError`."""
    found = {example.label for example in examples if example.label is not None}
    if config.order is None and len(found) < 2:
        raise DataError("the training rows have fewer than two labels", fix="name more rows")
    try:
        return config.order or sorted(found, key=float)
    except ValueError:
        fix = f"say their order: order = {sorted(found)}"
        raise DataError("the labels are no numbers, and nothing says their order", where="head", fix=fix) from None


class OrdinalHead(Head):
    """A linear score and thresholds."""

    def __init__(self, config: OrdinalConfig, backbone: Backbone, labels: Sequence[str]) -> None:
        super().__init__()
        self.labels = tuple(labels)
        self._pool = backbone.pool
        self.dropout = nn.Dropout(config.dropout)
        self.score = nn.Linear(backbone.hidden_size, 1)
        self.steps = nn.Parameter(torch.zeros(len(self.labels) - 2))

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits of being above each label but the last, *Shape:* ``(rows, labels - 1)``; they only fall."""
        scores = self.score(self.dropout(self._pool(hidden_states, attention_mask)))
        thresholds = torch.cat([self.steps.new_zeros(1), softplus(self.steps).cumsum(0)])
        return scores - thresholds

    def references(self, examples: Sequence[Example]) -> list[str]:
        for example in examples:
            if example.label not in self.labels:
                fix = nearest(example.label or "", self.labels)
                raise DataError(f'unknown label "{example.label}"', where=example.origin, fix=fix)
        return [str(example.label) for example in examples]

    def targets(self, examples: Sequence[Example], layout: Layout) -> Tensor:
        """1 for each label that a row's own one is above, *Shape:* ``(rows, labels - 1)``."""
        places = torch.tensor([self.labels.index(label) for label in self.references(examples)])
        return (places.unsqueeze(1) > torch.arange(len(self.labels) - 1)).float()

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of being above each label, the mean over rows and labels."""
        return binary_cross_entropy_with_logits(logits, targets)

    def decode(self, logits: Tensor, examples: Sequence[Example], layout: Layout) -> list[Prediction]:
        above = nn.functional.pad(nn.functional.pad(logits.sigmoid(), (1, 0), value=1.0), (0, 1))
        predictions = []
        for row in (above[:, :-1] - above[:, 1:]).clamp(min=0).tolist():
            scores = dict(zip(self.labels, row, strict=True))
            answer = max(scores, key=scores.__getitem__)
            predictions.append(Prediction(answer, scores[answer], scores))
        return predictions

"""A sentence vector, and a small perceptron over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from lect import DataError, Head, Layout, Prediction, RecipeError, nearest

if TYPE_CHECKING:
    from lect import Backbone, Example


class PooledHead(Head):
    """Dropout, a hidden layer with its activation and dropout where there is one, and an output layer."""

    def __init__(self, config: Any, backbone: Backbone, labels: Sequence[str], outputs: int) -> None:
        super().__init__()
        self.labels = tuple(labels)
        own = replace(backbone, pooling=config.pooling) if config.pooling else backbone
        self._pool = own.pool
        self._indices = {label: index for index, label in enumerate(self.labels)}
        layers = getattr(config, "layers", 2)
        width = config.hidden or backbone.hidden_size
        self.hidden = nn.Linear(backbone.hidden_size, width) if layers == 2 else None
        self._activation = ACT2FN[getattr(config, "activation", "gelu")]
        self.output = nn.Linear(width if layers == 2 else backbone.hidden_size, outputs)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits, *Shape:* ``(rows, outputs)``."""
        vectors = self.dropout(self._pool(hidden_states, attention_mask))
        if self.hidden is not None:
            vectors = self.dropout(self._activation(self.hidden(vectors)))
        return self.output(vectors)

    def _index(self, label: str | None, example: Example) -> int:
        if label not in self._indices:
            raise DataError(f'unknown label "{label}"', where=example.origin, fix=nearest(label or "", self.labels))
        return self._indices[label]


class ClassificationHead(PooledHead):
    """One logit a label."""

    def __init__(self, config: Any, backbone: Backbone, labels: Sequence[str]) -> None:
        super().__init__(config, backbone, labels, len(labels))
        self._class_weights = config.class_weights
        self._weights = _stated_weights(config.class_weights, self.labels)

    def prepare(self, examples: Sequence[Example]) -> None:
        """Count the labels where their weights hang on that."""
        if self._class_weights == "balanced":
            counts = torch.bincount(self.targets(examples), minlength=len(self.labels))
            there = int((counts > 0).sum())
            # As scikit-learn has it: over all rows the mean weight is 1. A label without rows needs none.
            self._weights = torch.where(counts > 0, len(examples) / (there * counts.clamp(min=1)), 1.0)

    def references(self, examples: Sequence[Example]) -> list[str]:
        return [self.labels[self._index(example.label, example)] for example in examples]

    def targets(self, examples: Sequence[Example], layout: Layout | None = None) -> Tensor:
        """Each row's label as an index, *Shape:* ``(rows,)``."""
        return torch.tensor([self._index(example.label, example) for example in examples])

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, the mean over rows, each with its label's weight."""
        if self._weights is None:
            return nn.functional.cross_entropy(logits, targets)
        # Over rows and not over their weights, so that a batch in parts is the batch.
        weights = self._weights.to(logits)
        return nn.functional.cross_entropy(logits, targets, weight=weights, reduction="sum") / len(targets)

    def decode(
        self, logits: Tensor, examples: Sequence[Example] = (), layout: Layout | None = None
    ) -> list[Prediction]:
        predictions = []
        for row in logits.softmax(-1).tolist():
            scores = dict(zip(self.labels, row, strict=True))
            answer = max(scores, key=scores.__getitem__)
            predictions.append(Prediction(answer, scores[answer], scores))
        return predictions


class MultiLabelHead(PooledHead):
    """One logit a label, each decided on its own."""

    def __init__(self, config: Any, backbone: Backbone, labels: Sequence[str]) -> None:
        super().__init__(config, backbone, labels, len(labels))
        self._separator, self._threshold = config.separator, config.threshold
        self._class_weights = config.class_weights
        self._weights = _stated_weights(config.class_weights, self.labels)

    def prepare(self, examples: Sequence[Example]) -> None:
        """Count the labels where their weights hang on that."""
        if self._class_weights == "balanced":
            having = self.targets(examples).sum(0)
            self._weights = torch.where(having > 0, (len(examples) - having) / having.clamp(min=1), 1.0).clamp(min=1e-3)

    def references(self, examples: Sequence[Example]) -> list[tuple[str, ...]]:
        found = []
        for example in examples:
            indices = {self._index(label, example) for label in labels_of(example, self._separator)}
            found.append(tuple(self.labels[index] for index in sorted(indices)))
        return found

    def targets(self, examples: Sequence[Example], layout: Layout | None = None) -> Tensor:
        """1 for each label that a row has, *Shape:* ``(rows, labels)``."""
        marks = torch.zeros(len(examples), len(self.labels))
        for row, labels in enumerate(self.references(examples)):
            marks[row, [self._indices[label] for label in labels]] = 1
        return marks

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy, the mean over rows and labels; what a row has counts with the label's weight."""
        weights = None if self._weights is None else self._weights.to(logits)
        return nn.functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights)

    def decode(
        self, logits: Tensor, examples: Sequence[Example] = (), layout: Layout | None = None
    ) -> list[Prediction]:
        """The labels that are probable enough."""
        predictions = []
        for row in logits.sigmoid().tolist():
            scores = dict(zip(self.labels, row, strict=True))
            answer = tuple(label for label, score in scores.items() if score >= self._threshold)
            predictions.append(Prediction(answer, None, scores, shown=", ".join(answer) or "(none)"))
        return predictions


class RegressionHead(PooledHead):
    """One number."""

    def __init__(self, config: Any, backbone: Backbone, labels: Sequence[str]) -> None:
        super().__init__(config, backbone, (), 1)
        losses = {"mse": nn.functional.mse_loss, "l1": nn.functional.l1_loss}
        self._loss = losses.get(config.loss, nn.functional.smooth_l1_loss)

    def references(self, examples: Sequence[Example]) -> list[float]:
        return [value_of(example) for example in examples]

    def targets(self, examples: Sequence[Example], layout: Layout | None = None) -> Tensor:
        """Each row's number, *Shape:* ``(rows,)``."""
        return torch.tensor(self.references(examples), dtype=torch.float32)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The distance that the configuration names, the mean over rows."""
        return self._loss(logits[:, 0], targets)

    def decode(
        self, logits: Tensor, examples: Sequence[Example] = (), layout: Layout | None = None
    ) -> list[Prediction]:
        return [Prediction(value, None, shown=f"{value:.3f}") for value in logits[:, 0].tolist()]


def _stated_weights(stated: Any, labels: Sequence[str]) -> Tensor | None:
    """The weights that a configuration states by label, *Shape:* ``(labels,)``; None where it states none."""
    if not isinstance(stated, dict):
        return None
    for name in stated:
        if name not in labels:
            raise RecipeError(f'there is no label "{name}"', where="head.class_weights", fix=nearest(name, labels))
    return torch.tensor([float(stated.get(label, 1.0)) for label in labels])


def labels_of(example: Example, separator: str) -> tuple[str, ...]:
    """The example's labels, or those in its label column. Raises `DataError` where it has neither."""
    if example.labels is not None:
        return example.labels
    if example.label is None:
        raise DataError("the row has no labels", where=example.origin, fix='name their column with label = "…"')
    return tuple(name for part in example.label.split(separator) if (name := part.strip()))


def value_of(example: Example) -> float:
    """The example's number, or the one in its label column. Raises `DataError` where there is none."""
    if example.value is not None:
        return example.value
    try:
        value = float(example.label or "")
    except ValueError:
        value = float("nan")
    if value - value != 0:
        what = "the row has no number" if example.label is None else f'"{example.label}" is no number'
        raise DataError(what, where=example.origin, fix='name the column of numbers with label = "…"')
    return value

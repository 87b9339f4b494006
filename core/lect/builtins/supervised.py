"""Learning from labelled rows: the head's own loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lect.composition.encode import EncodedRows
from lect.composition.model import RoutedModel
from lect.composition.vectors import encoded_batches
from lect.data.examples import Example
from lect.errors import RecipeError
from lect.heads import Head, Prediction
from lect.training.objective import Batch, Loss, ObjectiveContext


@dataclass(frozen=True)
class _Labelled:
    rows: EncodedRows
    targets: Tensor


class SupervisedObjective:
    """The mean loss of the stack's head over labelled rows."""

    def __init__(self, context: ObjectiveContext) -> None:
        self._context = context
        components = context.model.components
        head = next((components[key].head for key in context.stack if components[key].head), None)
        if head is None:
            raise RecipeError(
                'the objective "supervised" needs a head', where="objective", fix='add a table [head] with kind = "…"'
            )
        self._head: Head = head
        self._metrics = [context.metric[name] for name in context.head_metrics]
        self.main_score = self._metrics[0].main

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        """The pieces of each row."""
        encoder = self._context.encoder
        return [len(encoding.ids) for encoding in encoder.pieces(*_texts(examples, self._context.stack))]

    def batch(self, examples: Sequence[Example], device: torch.device) -> Batch:
        """The rows, encoded, with the head's targets."""
        texts, stack, pairs = _texts(examples, self._context.stack)
        rows = self._context.encoder.encode(texts, [stack] * len(examples), pairs).to(device)
        return Batch(_Labelled(rows, self._head.targets(examples).to(device)), len(examples), rows.pieces)

    def loss(self, model: RoutedModel, batch: Batch) -> Loss:
        """The head's loss."""
        labelled: _Labelled = batch.inputs
        rows = labelled.rows
        hidden = model(rows.input_ids, rows.attention_mask, rows.routes, rows.token_type_ids)
        (output,) = model.logits(hidden, rows.attention_mask, rows.routes)
        return Loss(self._head.loss(output.logits.float(), labelled.targets))

    def scores(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        """The head's metrics."""
        return self._metrics_of(model, examples, self._context.stack)

    def scores_without(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        """The metrics of a head beneath; a component that brings the head itself leaves none."""
        *beneath, trained = self._context.stack
        if model.components[trained].head is not None:
            return {}
        return self._metrics_of(model, examples, tuple(beneath))

    def _metrics_of(
        self, model: RoutedModel, examples: Sequence[Example], stack: tuple[str, ...]
    ) -> Mapping[str, float]:
        predictions = predict_rows(model, self._context.encoder, stack, examples)
        truth = [example.label for example in examples]
        answers = [prediction.answer for prediction in predictions]
        return {name: score for metric in self._metrics for name, score in metric.compute(truth, answers).items()}


@torch.no_grad()
def predict_rows(
    model: RoutedModel, encoder: Any, stack: tuple[str, ...], examples: Sequence[Example]
) -> list[Prediction]:
    """The answer of the stack's head for each example, in their order."""
    device = next(model.encoder.parameters()).device
    training = model.training
    model.eval()
    predictions: list[Prediction | None] = [None] * len(examples)
    texts, _, pairs = _texts(examples, stack)
    for indices, batch in encoded_batches(encoder, texts, stack, pairs):
        rows = batch.to(device)
        hidden = model(rows.input_ids, rows.attention_mask, rows.routes, rows.token_type_ids)
        (output,) = model.logits(hidden, rows.attention_mask, rows.routes)
        for index, prediction in zip(indices, output.head.decode(output.logits.float()), strict=True):
            predictions[index] = prediction
    model.train(training)
    return [prediction for prediction in predictions if prediction is not None]


def _texts(examples: Sequence[Example], stack: tuple[str, ...]) -> tuple[list[str], tuple[str, ...], list[str] | None]:
    pairs = [example.text_pair or "" for example in examples]
    return [example.text for example in examples], stack, pairs if any(pairs) else None

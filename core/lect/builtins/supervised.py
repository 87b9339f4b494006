"""Learning from labelled rows: the head's own loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lect.composition.encode import StackTokenizer
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.data.examples import Example
from lect.engine.engine import Engine
from lect.errors import RecipeError
from lect.heads import Head
from lect.objectives import Batch, Loss, Objective, ObjectiveContext
from lect.scores import joined_scores

_AT_ONCE = 1024


class SupervisedObjective(Objective):
    """The mean loss of the stack's head over labelled rows."""

    def __init__(self, context: ObjectiveContext) -> None:
        self._context = context
        head = context.model.head_of(context.stack)
        if head is None:
            raise RecipeError(
                'the objective "supervised" needs a head', where="objective", fix='add a table [head] with kind = "…"'
            )
        self._head: Head = head
        self._tokenizer = StackTokenizer(context.encoder, context.stack)
        self._metrics = [context.metric[name] for name in context.head_metrics]
        self.main_score = self._metrics[0].main
        self.directions = joined_scores(self._metrics, [metric.scores for metric in self._metrics])

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        # A few at a time: what a layout holds of a row is much larger than its length.
        parts = (examples[start : start + _AT_ONCE] for start in range(0, len(examples), _AT_ONCE))
        return [length for part in parts for length in self._head.layout(part, self._tokenizer).lengths]

    def batch(self, examples: Sequence[Example], device: torch.device) -> Batch:
        return self.batch_share(examples, range(len(examples)), device)

    def batch_share(self, examples: Sequence[Example], indices: Sequence[int], device: torch.device) -> Batch:
        """Some of the rows, with whatever else of the batch the head compares them with."""
        layout, targets = self._head.share(examples, indices, self._tokenizer)
        routes = Routes.uniform(self._context.stack, len(layout.rows))
        rows = self._context.encoder.assemble(layout.rows, routes).to(device)
        return Batch(rows, targets.to(device))

    def loss(self, model: RoutedModel, hidden_states: Tensor, batch: Batch) -> Loss:
        (output,) = model.logits(hidden_states, batch.rows)
        return Loss(self._head.loss(output.logits.float(), batch.targets))

    def scores(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
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
        predictions = self._head.compared(Engine(model, self._context.encoder).predict(examples, stack), examples)
        truth = self._head.references(examples)
        answers = [prediction.value for prediction in predictions]
        return joined_scores(self._metrics, [metric.compute(truth, answers) for metric in self._metrics])

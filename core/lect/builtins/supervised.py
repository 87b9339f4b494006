"""Learning from labelled rows: the head's own loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.vectors import batches_by_length
from lect.composition.windows import Cutter
from lect.data.examples import Example
from lect.errors import RecipeError, StackError
from lect.finite import check_predictions, check_vectors
from lect.heads import Head, Layout, Prediction, WritingHead
from lect.scores import joined_scores
from lect.training.objective import Batch, Loss, ObjectiveContext

_AT_ONCE = 1024


class SupervisedObjective:
    """The mean loss of the stack's head over labelled rows."""

    def __init__(self, context: ObjectiveContext) -> None:
        self._context = context
        head = context.model.head_of(context.stack)
        if head is None:
            raise RecipeError(
                'the objective "supervised" needs a head', where="objective", fix='add a table [head] with kind = "…"'
            )
        self._head: Head = head
        self._cut = Cutter(context.encoder, context.stack)
        self._metrics = [context.metric[name] for name in context.head_metrics]
        self.main_score = self._metrics[0].main
        self.directions = joined_scores(self._metrics, [metric.scores for metric in self._metrics])

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        """The pieces of each example, in all its rows."""
        # A few at a time: what a layout holds of a row is much larger than its length.
        parts = (examples[start : start + _AT_ONCE] for start in range(0, len(examples), _AT_ONCE))
        return [length for part in parts for length in self._head.layout(part, self._cut).lengths]

    def batch(self, examples: Sequence[Example], device: torch.device) -> Batch:
        """The rows, encoded, with the head's targets."""
        return self.batch_share(examples, range(len(examples)), device)

    def batch_share(self, examples: Sequence[Example], own: Sequence[int], device: torch.device) -> Batch:
        """Some of the rows, with whatever else of the batch the head compares them with."""
        layout, targets = self._head.share(examples, own, self._cut)
        routes = Routes.uniform(self._context.stack, len(layout.rows))
        rows = self._context.encoder.assemble(layout.rows, routes).to(device)
        return Batch(rows, targets.to(device))

    def loss(self, model: RoutedModel, hidden_states: Tensor, batch: Batch) -> Loss:
        """The head's loss."""
        (output,) = model.logits(hidden_states, batch.rows.attention_mask, batch.rows.routes)
        return Loss(self._head.loss(output.logits.float(), batch.targets))

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
        predictions = self._head.compared(predict_rows(model, self._context.encoder, stack, examples), examples)
        truth = self._head.answers(examples)
        answers = [prediction.answer for prediction in predictions]
        return joined_scores(self._metrics, [metric.compute(truth, answers) for metric in self._metrics])


@torch.no_grad()
def predict_rows(
    model: RoutedModel,
    encoder: RowEncoder,
    stack: tuple[str, ...],
    examples: Sequence[Example],
    head: Head | None = None,
) -> list[Prediction]:
    """The answer of the stack's head for each example, in their order.

    Args:
        head: one that answers in its place.

    Raises:
        StackError: the stack has no head.
        NotFiniteError: an answer, or what it is made of, is no finite number.
    """
    head = head or model.head_of(stack)
    if head is None:
        raise StackError("this stack has no head, so it answers nothing", fix="end it with a task:…")
    if isinstance(head, WritingHead):
        from lect.writing.answer import write_answers

        return write_answers(model, encoder, [stack] * len(examples), head, examples)
    device = next(model.encoder.parameters()).device
    training = model.training
    model.eval()
    predictions: list[Prediction | None] = [None] * len(examples)
    whole = head.layout(examples, Cutter(encoder, stack))
    # All rows of an example go through in one pass: its answer is made of all of them.
    for indices in batches_by_length(whole.lengths):
        chosen = [examples[index] for index in indices]
        layout = whole.chosen(indices)
        rows = encoder.assemble(layout.rows, Routes.uniform(stack, len(layout.rows))).to(device)
        hidden = model(rows.input_ids, rows.attention_mask, rows.routes, rows.token_type_ids)
        # What stands where there is padding means nothing.
        check_vectors(hidden.masked_fill(~rows.attention_mask.bool().unsqueeze(-1), 0.0), _places(chosen, layout))
        (output,) = model.logits(hidden, rows.attention_mask, rows.routes)
        for index, prediction in zip(indices, head.decode(output.logits.float(), chosen, layout), strict=True):
            predictions[index] = prediction
    model.train(training)
    found = [prediction for prediction in predictions if prediction is not None]
    check_predictions(found, examples)
    return found


def _places(examples: Sequence[Example], layout: Layout) -> list[str]:
    """Of each row of a layout, where its example stands."""
    return [example.origin or "a text" for example, rows in zip(examples, layout.spans, strict=True) for _ in rows]

"""Predictions of a stack's head, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lect.composition.encode import RowEncoder, StackTokenizer
from lect.composition.finite import check_predictions, check_vectors
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.vectors import batches_by_length
from lect.data.examples import Example
from lect.errors import StackError
from lect.heads import Head, Layout, Prediction, WritingHead


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
        from lect.generation.answer import write_answers

        return write_answers(model, encoder, [stack] * len(examples), head, examples)
    device = next(model.encoder.parameters()).device
    training = model.training
    model.eval()
    predictions: list[Prediction | None] = [None] * len(examples)
    whole = head.layout(examples, StackTokenizer(encoder, stack))
    # All rows of an example go through in one pass: its answer is made of all of them.
    for indices in batches_by_length(whole.lengths):
        chosen = [examples[index] for index in indices]
        layout = whole.chosen(indices)
        rows = encoder.assemble(layout.rows, Routes.uniform(stack, len(layout.rows))).to(device)
        hidden = model(rows)
        # What stands where there is padding means nothing.
        check_vectors(hidden.masked_fill(~rows.attention_mask.bool().unsqueeze(-1), 0.0), _places(chosen, layout))
        (output,) = model.logits(hidden, rows)
        for index, prediction in zip(indices, head.decode(output.logits.float(), chosen, layout), strict=True):
            predictions[index] = prediction
    model.train(training)
    found = [prediction for prediction in predictions if prediction is not None]
    check_predictions(found, examples)
    return found


def _places(examples: Sequence[Example], layout: Layout) -> list[str]:
    """Of each row of a layout, where its example stands."""
    return [example.origin or "a text" for example, rows in zip(examples, layout.spans, strict=True) for _ in rows]

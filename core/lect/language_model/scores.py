"""Scores of predicted tokens, and what they are computed from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from lect.composition.batching import batches_by_length
from lect.composition.model import RoutedModel
from lect.composition.rows import EncodedRows
from lect.language_model.rows import Row, RowTokens
from lect.parts import NewTokens
from lect.scores import Direction

TOKEN_SCORES: Mapping[str, Direction] = {"likelihood": "higher", "accuracy": "higher", "loss": "lower"}
"""Which way the scores of `mean_scores` are better."""


def new_tokens(model: RoutedModel, stack: Sequence[str]) -> NewTokens | None:
    """The tokens that a stack brings beyond the backbone's, as they are now."""
    found = (part.new_tokens() for key in stack for part in model.components[key].parts.values())
    return next((new for new in found if new is not None), None)


@torch.no_grad()
def scored_batches(
    model: RoutedModel,
    cutter: RowTokens,
    rows: Sequence[Row],
    prepare: Callable[[Sequence[Row], int], tuple[Tensor, Tensor]],
) -> Iterator[tuple[EncodedRows, Tensor, Tensor]]:
    """Batches of like length: the rows as they are, their hidden states, and what `prepare` says of them.

    Args:
        prepare: from rows and the length they are padded to, the ids that the model is to see, and what goes with them.
    """
    device = next(model.encoder.parameters()).device
    training = model.training
    model.eval()
    for batch in batches_by_length([len(row.ids) for row in rows]):
        own = [rows[index] for index in batch]
        encoded, _ = cutter.padded(own)
        seen, what = prepare(own, encoded.length)
        moved = encoded.to(device)
        hidden = model(moved.with_ids(seen.to(device)))
        yield moved, hidden, what.to(device)
    model.train(training)


def mean_scores(losses: Sequence[Tensor], hits: Sequence[Tensor]) -> Mapping[str, float]:
    """The scores of tokens from their losses: ``likelihood`` is the geometric mean of the right tokens' probabilities.

    That is ``exp(-loss)``, or one over the perplexity: between 0 and 1, and greater where the loss is smaller.
    """
    all_losses, all_hits = torch.cat(list(losses)), torch.cat(list(hits))
    if not len(all_losses):
        return {"likelihood": 0.0, "accuracy": 0.0, "loss": 0.0}
    loss = float(all_losses.double().mean())
    return {"likelihood": math.exp(-loss), "accuracy": float(all_hits.double().mean()), "loss": loss}

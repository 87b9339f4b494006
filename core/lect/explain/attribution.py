"""How much each token of a text moves an answer: integrated gradients over the tokens' embeddings.

Sundararajan, M., Taly, A. & Yan, Q. (2017). Axiomatic Attribution for Deep Networks. ICML. The path goes from the same
text with every token masked to the text itself; the attributions of all tokens sum to the difference of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lect.composition.model import RoutedModel
from lect.composition.rows import EncodedRows
from lect.errors import UserError

Score = Callable[[Tensor, EncodedRows], Tensor]
"""From hidden states and the rows that they are of, one number a row."""


@dataclass(frozen=True)
class Attribution:
    """What each token contributes.

    Args:
        values: one a token.
        score: of the text.
        baseline: of the same text with every token masked.
    """

    values: tuple[float, ...]
    score: float
    baseline: float

    @property
    def gap(self) -> float:
        """How far the values are from summing to the difference that they share out; 0 with infinitely many steps."""
        return sum(self.values) - (self.score - self.baseline)


def attribute(
    model: RoutedModel, rows: EncodedRows, is_special: Tensor, score: Score, *, steps: int = 64, at_once: int = 16
) -> Attribution:
    """Integrated gradients of a score of one text.

    Args:
        rows: the text alone.
        is_special: *Shape:* ``(length,)``; tokens that stay what they are in the baseline and get nothing.
        steps: of the Gauss-Legendre quadrature along the path.
        at_once: the points of the path that are computed together.

    Raises:
        UserError: captum is not installed.
    """
    try:
        from captum.attr import IntegratedGradients
    except ImportError:
        raise UserError("attributions need captum", fix='install it: pip install "lect[explain]"') from None
    table = model.backbone.module(model.backbone.anatomy.word_embedding)
    masked = torch.where(is_special.to(rows.input_ids.device), rows.input_ids, mask_id(model))

    def run(ids: Tensor, embeddings: Tensor | None) -> Tensor:
        count = len(ids) if embeddings is None else len(embeddings)
        many = rows.with_ids(ids).repeated(count)
        with _replaced(table, embeddings):
            hidden = model(many)
        return score(hidden, many)

    with torch.no_grad():
        given, scored = _embedded(table, lambda: run(rows.input_ids, None))
        baseline, empty = _embedded(table, lambda: run(masked, None))
    method = IntegratedGradients(lambda embeddings: run(rows.input_ids, embeddings))
    found: Tensor = method.attribute(given, baselines=baseline, n_steps=steps, internal_batch_size=at_once)
    return Attribution(tuple(found.detach().sum(-1)[0].tolist()), scored, empty)


def mask_id(model: RoutedModel) -> int:
    """The token that stands for no content: the tokenizer's mask, else what it pads with."""
    found = model.backbone.tokenizer.mask_token_id
    return int(found) if found is not None else model.backbone.padding_id


@contextmanager
def _replaced(table: Any, embeddings: Tensor | None) -> Iterator[None]:
    """The word embeddings as given, whatever the ids are; parts with tokens of their own act before that."""
    if embeddings is None:
        yield
        return
    handle = table.register_forward_hook(lambda _module, _inputs, _output: embeddings)
    try:
        yield
    finally:
        handle.remove()


def _embedded(table: Any, run: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """What the table gave in a run, and the run's score."""
    kept: list[Tensor] = []
    handle = table.register_forward_hook(lambda _module, _inputs, output: kept.append(output.detach()))
    try:
        score = float(run()[0])
    finally:
        handle.remove()
    return kept[0], score

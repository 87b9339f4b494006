"""Learning a language from raw text with a decoder: the next token is predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lect.builtins.language_modelling.config import CausalConfig
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.errors import DataError, RecipeError
from lect.language_model.candidates import CandidateLoss, choose_candidates, full_losses
from lect.language_model.head import known_tokens
from lect.language_model.rows import Row, RowTokens, places_of, token_counts
from lect.language_model.scores import TOKEN_SCORES, mean_scores, new_tokens, scored_batches
from lect.language_model.stored_head import stored_causal_head
from lect.objectives import Batch, Loss, Objective, ObjectiveContext


@dataclass(frozen=True)
class _Following:
    """After which places a token of the text follows, which one, and the sample of other tokens."""

    places: tuple[Tensor, Tensor]
    labels: Tensor
    sample: Tensor


class CausalObjective(Objective):
    """The cross-entropy of each token of the text, given those before it (Radford et al. 2018, equation 1).

    Raises:
        RecipeError: the backbone does not read from left to right.
    """

    main_score = "likelihood"
    directions = TOKEN_SCORES

    def __init__(self, config: CausalConfig, context: ObjectiveContext) -> None:
        model, backbone = context.model, context.model.backbone
        if backbone.kind != "decoder":
            raise RecipeError(
                f'"{backbone.name}" is no decoder, which the objective "causal-lm" needs',
                where="objective.name",
                fix='use "masked-lm"',
            )
        self._context = context
        self._cutter = RowTokens(model, context.encoder, context.stack)
        rows = self._cutter.rows(context.examples)
        if not any(_follows(row).any() for row in rows):
            raise DataError("the training rows have no token that follows another", where="data.train")
        self._head = stored_causal_head(backbone)
        new = new_tokens(model, context.stack)
        known = known_tokens(self._head, new)
        size = max(len(self._head.matrix), known + (0 if new is None else len(new.bias)))
        candidates = choose_candidates(token_counts(rows, size), known, config.candidates, config.sampled)
        self._loss = CandidateLoss(self._head, candidates, next(model.encoder.parameters()).device)

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        return [len(row.ids) for row in self._cutter.rows(examples)]

    def batch(self, examples: Sequence[Example], device: torch.device) -> Batch:
        rows = self._cutter.rows(examples)
        encoded, _ = self._cutter.padded(rows)
        places = _stacked(rows, encoded.length)
        labels = encoded.input_ids.roll(-1, dims=1)[places]
        following = _Following(places_of(places, device), labels.to(device), self._loss.draw().to(device))
        return Batch(encoded.to(device), following)

    def loss(self, model: RoutedModel, hidden_states: Tensor, batch: Batch) -> Loss:
        following: _Following = batch.targets
        if not len(following.labels):
            return Loss(hidden_states.sum() * 0.0)
        new = new_tokens(model, self._context.stack)
        return Loss(self._loss(hidden_states[following.places], following.labels, following.sample, new))

    def scores(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        """How well each next token is predicted among all tokens."""
        return self._scores(model, examples, self._context.stack, self._cutter)

    def scores_without(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        *beneath, trained = self._context.stack
        if model.components[trained].tokenizer_json is not None:
            return {}
        cutter = RowTokens(model, self._context.encoder, tuple(beneath))
        return self._scores(model, examples, tuple(beneath), cutter)

    @torch.no_grad()
    def _scores(
        self, model: RoutedModel, examples: Sequence[Example], stack: tuple[str, ...], cutter: RowTokens
    ) -> Mapping[str, float]:
        def prepare(rows: Sequence[Row], length: int) -> tuple[Tensor, Tensor]:
            return cutter.padded(rows)[0].input_ids, _stacked(rows, length)

        losses, hits = [], []
        new = new_tokens(model, stack)
        for encoded, hidden_states, places in scored_batches(model, cutter, cutter.rows(examples), prepare):
            labels = encoded.input_ids.roll(-1, dims=1)[places]
            loss, hit = full_losses(self._head, hidden_states[places], labels, new)
            losses.append(loss)
            hits.append(hit)
        return mean_scores(losses, hits)


def _follows(row: Row) -> Tensor:
    """After which places of a row a token of the text follows; also after a first special token."""
    follows = torch.zeros(len(row.ids), dtype=torch.bool)
    follows[:-1] = torch.from_numpy(row.plain[1:])
    return follows


def _stacked(rows: Sequence[Row], length: int) -> Tensor:
    places = torch.zeros((len(rows), length), dtype=torch.bool)
    for index, row in enumerate(rows):
        places[index, : len(row.ids)] = _follows(row)
    return places

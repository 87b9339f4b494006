"""Learning to write: the cross-entropy of each token of the answer, given the text and what was written before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.stored_tokens import StoredEncoding
from lect.data.examples import Example
from lect.errors import RecipeError
from lect.generation.logits import generation_head
from lect.generation.predictions import check_generates, generate_predictions
from lect.generation.rows import Phrasing, Source, padded
from lect.heads import GenerationHead
from lect.language_model.candidates import CandidateLoss, choose_candidates
from lect.language_model.head import known_tokens
from lect.language_model.rows import places_of
from lect.language_model.scores import new_tokens
from lect.objectives import Batch, Loss, Objective, ObjectiveContext
from lect.scores import joined_scores


@dataclass(frozen=True)
class _Written:
    """What should be written.

    Args:
        ids: of an encoder-decoder what its decoder is given: the forced beginning and the answer but for its end.
            *Shape:* ``(rows, length)``; of a decoder None: it is given the prompt and the answer as one row.
        mask: *Shape:* ``(rows, length)``.
        places: rows and columns of the tokens behind which one of the answer follows. *Shape:* ``(places,)`` each.
        labels: those tokens, row by row. *Shape:* ``(places,)``.
    """

    ids: Tensor | None
    mask: Tensor | None
    places: tuple[Tensor, Tensor]
    labels: Tensor


class GenerationObjective(Objective):
    """The mean over the tokens of all answers, their ends included; of prompts and forced beginnings nothing is asked.

    Raises:
        RecipeError: the backbone cannot write, there is nothing to train, or the head's settings do not fit.
    """

    def __init__(self, context: ObjectiveContext, head: GenerationHead) -> None:
        model = context.model
        check_generates(model, [context.stack])
        if not any(True for _ in model.components[context.stack[-1]].tensor_references()):
            raise RecipeError(
                "there is nothing to train", where="parts", fix="add [[parts]] with a method, such as lora"
            )
        self._context, self._head = context, head
        self._phrasing = Phrasing(context.encoder, context.stack, head.decoding)
        # What does not fit is said now, not when a row comes up.
        for example in context.examples[:1]:
            self._phrasing.source(head.request(example))
        tokens = generation_head(model.backbone)
        known = known_tokens(tokens, new_tokens(model, context.stack))
        everything = choose_candidates(torch.ones(known), known, "all", 1)
        self._loss = CandidateLoss(tokens, everything, next(model.encoder.parameters()).device)
        self._metrics = [context.metric[name] for name in context.head_metrics]
        self.main_score = self._metrics[0].main
        self.directions = joined_scores(self._metrics, [metric.scores for metric in self._metrics])

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        return [len(source.ids) + len(source.forced) + len(target) for source, target in map(self._tokens_of, examples)]

    def batch(self, examples: Sequence[Example], device: torch.device) -> Batch:
        tokenized = [self._tokens_of(example) for example in examples]
        is_decoder = self._context.model.backbone.kind == "decoder"
        answers = [target for _, target in tokenized]
        if is_decoder:
            read = [(*source.ids, *target[:-1]) for source, target in tokenized]
            given, begun = read, [len(source.ids) for source, _ in tokenized]
        else:
            read = [source.ids for source, _ in tokenized]
            given, begun = (
                [(*source.forced, *target[:-1]) for source, target in tokenized],
                [len(s.forced) for s, _ in tokenized],
            )
        encodings = [StoredEncoding(list(ids), [0] * len(ids), source.truncated)
                     for ids, (source, _) in zip(read, tokenized, strict=True)]  # fmt: skip
        rows = self._context.encoder.assemble(encodings, Routes.uniform(self._context.stack, len(tokenized)))
        places = torch.zeros(len(tokenized), max(map(len, given)), dtype=torch.bool)
        for row, (start, answer) in enumerate(zip(begun, answers, strict=True)):
            places[row, start - 1 : start - 1 + len(answer)] = True
        labels = torch.tensor([token for answer in answers for token in answer])
        ids = mask = None
        if not is_decoder:
            padding = self._context.model.backbone.padding_id
            ids, mask = (each.to(device) for each in padded(given, padding))
        return Batch(rows.to(device), _Written(ids, mask, places_of(places, device), labels.to(device)))

    def loss(self, model: RoutedModel, hidden_states: Tensor, batch: Batch) -> Loss:
        written: _Written = batch.targets
        if written.ids is not None and written.mask is not None:
            hidden_states = model.decode(written.ids, written.mask, hidden_states, batch.rows)
        states = hidden_states[written.places]
        new = new_tokens(model, self._context.stack)
        return Loss(self._loss(states, written.labels, self._loss.draw(), new))

    def scores(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        return self._scores(model, examples, self._context.stack)

    def scores_without(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        return self._scores(model, examples, self._context.stack[:-1])

    def _scores(self, model: RoutedModel, examples: Sequence[Example], stack: tuple[str, ...]) -> Mapping[str, float]:
        predictions = generate_predictions(self._context.encoder, [stack] * len(examples), self._head, examples)
        truth, answers = self._head.references(examples), [prediction.value for prediction in predictions]
        return joined_scores(self._metrics, [metric.compute(truth, answers) for metric in self._metrics])

    def _tokens_of(self, example: Example) -> tuple[Source, tuple[int, ...]]:
        request = self._head.request(example)
        return self._phrasing.source(request), self._phrasing.target(self._head.target(example), request)

"""Learning a language from translations: its sentence vectors are pulled to those of the frozen backbone.

The target is the vector that a frozen stack (the bare backbone by default) gives the translation; it is computed once.
Mean squared error as in multilingual distillation (Reimers and Gurevych 2020, equation 1), with a contrast among
candidates by cosine and temperature (van den Oord et al. 2018, equation 4). With a weight for `tokens`, words are
aligned as well (`lect.builtins.word_alignment`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss, normalize

from lect.builtins.configs import AlignmentConfig
from lect.builtins.word_alignment import WordAlignment, WordsOfRows
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.engine.engine import Engine
from lect.objectives import Batch, Loss, Objective, ObjectiveContext


@dataclass(frozen=True)
class _Translations:
    vectors: Tensor
    answers: Tensor
    candidates: Tensor
    words: WordsOfRows | None


class AlignmentObjective(Objective):
    """Mean squared error to the translations' frozen vectors, and a contrast among them."""

    main_score = "recall@1"

    def __init__(self, config: AlignmentConfig, context: ObjectiveContext) -> None:
        self._config, self._context = config, context
        translations = sorted({example.translation or "" for example in context.examples})
        self._indices = {text: index for index, text in enumerate(translations)}
        self._targets = self._vectors(context.model, translations)
        self._normalised: Tensor | None = None
        if config.candidates == "all":
            # Where the model is: to bring them there for every batch would take longer than to compare with them.
            device = next(context.model.encoder.parameters()).device
            self._normalised = normalize(self._targets, dim=-1).to(device)
        self._words = WordAlignment(config.dictionary, context) if config.tokens else None

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        encodings = self._context.encoder.tokens([example.text for example in examples], self._context.stack)
        return [len(encoding.ids) for encoding in encodings]

    def batch(self, examples: Sequence[Example], device: torch.device) -> Batch:
        return self.batch_share(examples, range(len(examples)), device)

    def batch_share(self, examples: Sequence[Example], indices: Sequence[int], device: torch.device) -> Batch:
        """Some of the rows, told apart from the translations of all of them."""
        texts = [examples[index].text for index in indices]
        rows = self._context.encoder.encode(texts, [self._context.stack] * len(texts)).to(device)
        translations = torch.tensor([self._indices[example.translation or ""] for example in examples])
        if self._normalised is not None:
            answers, candidates = translations, self._normalised
        else:
            # Rows with the same translation are not told apart: both point at the first of them.
            distinct, answers = torch.unique(translations, return_inverse=True)
            candidates = normalize(self._targets[distinct], dim=-1)
        places = torch.tensor(list(indices), dtype=torch.long)
        vectors, answers = self._targets[translations[places]].to(device), answers[places]
        words = None
        if self._words is not None:
            words = self._words.words([examples[index] for index in indices], rows.length, device)
        return Batch(rows, _Translations(vectors, answers.to(device), candidates.to(device), words))

    def loss(self, model: RoutedModel, hidden_states: Tensor, batch: Batch) -> Loss:
        translations: _Translations = batch.targets
        vectors = model.pool(hidden_states, batch.rows.attention_mask).float()
        distance = mse_loss(vectors, translations.vectors)
        cosines = normalize(vectors, dim=-1) @ translations.candidates.T
        contrast = cross_entropy(cosines / self._config.temperature, translations.answers)
        total = self._config.distance * distance + self._config.contrast * contrast
        terms: dict[str, float | Tensor] = {"distance": distance.detach(), "contrast": contrast.detach()}
        if self._words is not None and translations.words is not None:
            found = cosines.argmax(1) == translations.answers
            tokens, share = self._words.loss(model, hidden_states, translations.words, found)
            total = total + self._config.tokens * tokens
            terms |= {"tokens": tokens.detach(), "aligned": share}
        return Loss(total, terms)

    def scores(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        """Retrieval of each row's translation among all of the examples' translations."""
        return self._retrieval(model, examples, self._context.stack)

    def scores_without(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        return self._retrieval(model, examples, self._context.stack[:-1])

    def _retrieval(
        self, model: RoutedModel, examples: Sequence[Example], stack: tuple[str, ...]
    ) -> Mapping[str, float]:
        from lect.evaluation.retrieval import ranks

        translations = sorted({example.translation or "" for example in examples})
        indices = {text: index for index, text in enumerate(translations)}
        queries = Engine(model, self._context.encoder).embed([e.text for e in examples], stack)
        answers = [indices[example.translation or ""] for example in examples]
        found = ranks(queries.numpy(), self._vectors(model, translations).numpy(), answers)
        return dict(self._context.metric["retrieval"].compute(answers, list(found)))

    def _vectors(self, model: RoutedModel, texts: Sequence[str]) -> Tensor:
        if self._context.vectors is not None:
            return self._context.vectors(texts, self._context.target)
        return Engine(model, self._context.encoder).embed(texts, self._context.target)

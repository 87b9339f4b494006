"""Learning a language from raw text, or from translations: hidden tokens are predicted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import pad

from lect.builtins.language_modelling.config import MaskedConfig
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.data.lines import read_lines, without_end
from lect.data.stored import hold
from lect.errors import DataError, RecipeError
from lect.language_model.candidates import CandidateLoss, choose_candidates, full_losses
from lect.language_model.head import LanguageModelHead, known_tokens
from lect.language_model.masks import Masking
from lect.language_model.rows import Row, RowTokens, places_of, token_counts
from lect.language_model.scores import TOKEN_SCORES, mean_scores, new_tokens, scored_batches
from lect.language_model.stored_head import stored_masked_head
from lect.language_model.trained_head import trained_head
from lect.objectives import Batch, Loss, Objective, ObjectiveContext


@dataclass(frozen=True)
class _Hidden:
    """Where tokens are hidden (rows, columns) and which, and the sample of others that they are told apart from."""

    places: tuple[Tensor, Tensor]
    labels: Tensor
    sample: Tensor


class MaskedObjective(Objective):
    """The cross-entropy of hidden tokens (Devlin et al. 2019).

    Logits are computed at hidden places only, and while training over candidates only (`candidates`). Masks and samples
    are drawn from torch's own random state when a batch is made.

    Args:
        with_translations: each row is a sentence and its translation, with tokens hidden in both (translation language
            modelling, Conneau and Lample 2019, section 3.3; without their language embeddings and without positions
            that start anew, neither of which the backbones were trained with).

    Raises:
        RecipeError: the backbone has no token for what is hidden.
    """

    main_score = "likelihood"
    directions = TOKEN_SCORES

    def __init__(self, config: MaskedConfig, context: ObjectiveContext, with_translations: bool = False) -> None:
        model, backbone = context.model, context.model.backbone
        mask = backbone.tokenizer.mask_token_id
        name = "translation-lm" if with_translations else "masked-lm"
        if mask is None or backbone.kind != "encoder":
            raise RecipeError(
                f'"{backbone.name}" has no mask to hide tokens behind, which the objective "{name}" needs',
                where="objective.name",
                fix='use "causal-lm" for decoders, or another objective',
            )
        self._model, self._context, self._with_translations = model, context, with_translations
        self._cutter = self._cut_for(context.stack)
        self._cutter.keep(context.examples)
        rows = self._cutter.rows(context.examples)
        if not any(row.plain.any() for row in rows):
            raise DataError("the training rows have no token that could be hidden", where="data.train")
        new = new_tokens(model, context.stack)
        device = next(model.encoder.parameters()).device
        self._head = self._find_head(config, mask)
        self._size = known_tokens(self._head, new) + (0 if new is None else len(new.bias))
        self._masking = Masking(config.masked, mask, self._size)
        counts = token_counts(rows, max(self._size, len(self._head.matrix)))
        candidates = choose_candidates(counts, known_tokens(self._head, new), config.candidates, config.sampled)
        self._loss = CandidateLoss(self._head, candidates, device)

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        return [len(row.ids) for row in self._cutter.rows(examples)]

    def batch(self, examples: Sequence[Example], device: torch.device) -> Batch:
        """The rows with tokens hidden anew; what was there is in the targets alone."""
        encoded, plain = self._cutter.padded(self._cutter.rows(examples))
        seen, chosen = self._masking.draw(encoded.input_ids, plain)
        hidden = _Hidden(places_of(chosen, device), encoded.input_ids[chosen].to(device), self._loss.draw().to(device))
        return Batch(encoded.with_ids(seen).to(device), hidden)

    def loss(self, model: RoutedModel, hidden_states: Tensor, batch: Batch) -> Loss:
        hidden: _Hidden = batch.targets
        if not len(hidden.labels):
            # A few short texts may have none; what comes before the next step still has a gradient.
            return Loss(hidden_states.sum() * 0.0)
        new = new_tokens(model, self._context.stack)
        return Loss(self._loss(hidden_states[hidden.places], hidden.labels, hidden.sample, new))

    def scores(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        """How well hidden tokens are predicted among all tokens; the same ones are hidden each time."""
        return self._scores(model, examples, self._context.stack, self._cutter)

    def scores_without(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        *beneath, trained = self._context.stack
        if model.components[trained].tokenizer_json is not None:
            return {}
        return self._scores(model, examples, tuple(beneath), self._cut_for(tuple(beneath)))

    @torch.no_grad()
    def _scores(
        self, model: RoutedModel, examples: Sequence[Example], stack: tuple[str, ...], cutter: RowTokens
    ) -> Mapping[str, float]:
        def prepare(rows: Sequence[Row], length: int) -> tuple[Tensor, Tensor]:
            drawn = [self._masking.draw_fixed(row) for row in rows]
            ids = torch.stack([pad(seen, (0, length - len(seen)), value=padding) for seen, _ in drawn])
            return ids, torch.stack([pad(chosen, (0, length - len(chosen))) for _, chosen in drawn])

        padding = model.backbone.padding_id

        losses, hits = [], []
        new = new_tokens(model, stack)
        for encoded, hidden_states, chosen in scored_batches(model, cutter, cutter.rows(examples), prepare):
            loss, hit = full_losses(self._head, hidden_states[chosen], encoded.input_ids[chosen], new)
            losses.append(loss)
            hits.append(hit)
        return mean_scores(losses, hits)

    def _cut_for(self, stack: tuple[str, ...]) -> RowTokens:
        return RowTokens(self._model, self._context.encoder, stack, self._with_translations)

    def _find_head(self, config: MaskedConfig, mask: int) -> LanguageModelHead:
        found = stored_masked_head(self._model.backbone)
        if found is not None:
            return found
        texts, source = self._texts(config)
        masking = Masking(config.masked, mask, len(self._model.backbone.tokenizer))
        progress = self._context.progress
        plain = RowTokens(self._model, self._context.encoder, ())
        return trained_head(
            self._model, plain, texts, source=source, steps=config.head_steps, masking=masking, progress=progress
        )

    def _texts(self, config: MaskedConfig) -> tuple[Callable[[], Sequence[Example]], str]:
        """What a head is trained on, and the hash of what the user named."""
        if config.head_text is None:
            return lambda: self._context.examples, ""
        path = self._context.folder / config.head_text
        content = _content(path, config.head_text)

        def examples() -> Sequence[Example]:
            lines = read_lines(path, config.head_text or "", invalid="replace")
            return hold(Example(text=without_end(line)) for _, line in lines if line.strip())

        return examples, hashlib.sha256(content).hexdigest()


def _content(path: Path, named: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecipeError(
            f"the file cannot be read ({(error.strerror or str(error)).lower()})",
            where=f"objective.head_text, {named}",
            fix="name a text file, one text a line",
        ) from error

"""Code-switching round any objective: in each pass, words of some rows are put into another language by a dictionary.

As CoSDA-ML (Qin et al. 2020, section 3.2) does: rows, then words, then one of a word's translations are drawn anew each
time a row comes up. Labels and translations stay, so the mixed text learns what the plain one means.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lect.composition.model import RoutedModel
from lect.data.dictionary import Dictionary
from lect.data.examples import Example
from lect.objectives import Batch, Loss, Objective

_WORDS_A_ROW = 40


@dataclass(frozen=True)
class Switching:
    """How rows are switched.

    Args:
        share: of the words in a row that the dictionary has, the share that is replaced.
        rows: the share of rows that are switched at all.
        sha256: over the dictionaries' rows.
    """

    dictionary: Dictionary
    share: float
    rows: float
    sha256: str

    def switch(self, example: Example, generator: random.Random) -> Example:
        """The example, its text perhaps switched. What has more than texts and a label stays as it is."""
        from lect.data.cleaning import has_more_than_texts

        if generator.random() >= self.rows or has_more_than_texts(example):
            return example
        return replace(example, text=self.dictionary.switch(example.text, self.share, generator))

    def shown(self, examples: Sequence[Example]) -> tuple[Example, ...]:
        """The examples, and rows with all words that may be put in: what an objective takes a run's tokens from."""
        words = sorted({word for each in self.dictionary.translations.values() for word in each})
        texts = (" ".join(words[first : first + _WORDS_A_ROW]) for first in range(0, len(words), _WORDS_A_ROW))
        return (*examples, *(replace(examples[0], text=text) for text in texts))


class CodeSwitched(Objective):
    """An objective whose training rows are switched before it encodes them; scores are of the rows as they are."""

    def __init__(self, objective: Objective, switching: Switching) -> None:
        self._objective, self._switching = objective, switching
        self.main_score, self.directions = objective.main_score, objective.directions

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        """The tokens of each row as it is; a switched one is about as long."""
        return self._objective.lengths(examples)

    def batch(self, examples: Sequence[Example], device: torch.device) -> Batch:
        return self._objective.batch(self._switched(examples), device)

    def batch_share(self, examples: Sequence[Example], indices: Sequence[int], device: torch.device) -> Batch:
        return self._objective.batch_share(self._switched(examples), indices, device)

    def loss(self, model: RoutedModel, hidden_states: Tensor, batch: Batch) -> Loss:
        return self._objective.loss(model, hidden_states, batch)

    def scores(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        return self._objective.scores(model, examples)

    def scores_without(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        return self._objective.scores_without(model, examples)

    def _switched(self, examples: Sequence[Example]) -> list[Example]:
        # From torch's random state, which a checkpoint keeps: a resumed run draws what it would have drawn.
        generator = random.Random(int(torch.randint(2**62, ()).item()))
        return [self._switching.switch(example, generator) for example in examples]

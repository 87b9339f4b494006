"""Words in the rows of a batch: whose tokens speak for them, and what they should say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lect import Layout
from lect_heads.words import Words, token_of_words, words_of

if TYPE_CHECKING:
    from lect import Example, RowTokenizer


@dataclass(frozen=True)
class WordTargets:
    """Where each word of a batch is found in its rows, and its true values.

    Args:
        rows, tokens: *Shape:* ``(words,)``.
        values: *Shape:* ``(words, …)``.
        counts: how many words each example has.
    """

    rows: Tensor
    tokens: Tensor
    values: Tensor
    counts: tuple[int, ...]

    def to(self, device: torch.device) -> WordTargets:
        """The same on a device."""
        return WordTargets(self.rows.to(device), self.tokens.to(device), self.values.to(device), self.counts)


def word_layout(examples: Sequence[Example], tokenizer: RowTokenizer, overlap: int) -> Layout:
    """Each example's text in as many rows as it takes."""
    return Layout.of(tokenizer.windows([example.text for example in examples], overlap=overlap))


def locate(examples: Sequence[Example], layout: Layout) -> list[tuple[Words, Tensor, Tensor]]:
    """For each example its words, and the row and the token of each one. *Shape:* ``(words,)``."""
    found = []
    for example, rows in zip(examples, layout.spans, strict=True):
        words = words_of(example)
        where = token_of_words(words.places, [layout.rows[row] for row in rows])
        own = torch.tensor([rows.start + row for row, _ in where], dtype=torch.long)
        found.append((words, own, torch.tensor([token for _, token in where], dtype=torch.long)))
    return found


def word_targets(examples: Sequence[Example], layout: Layout, values: Sequence[Tensor]) -> WordTargets:
    """The targets of a batch, from each example's values, *Shape:* ``(words, …)``."""
    located = locate(examples, layout)
    return WordTargets(
        torch.cat([rows for _, rows, _ in located]),
        torch.cat([tokens for _, _, tokens in located]),
        torch.cat(list(values)),
        tuple(len(words.words) for words, _, _ in located),
    )

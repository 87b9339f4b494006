"""Multiple choice: each choice is read together with its premise, and the best one answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lect import DataError, Layout, Prediction
from lect_heads.pooled import PooledHead

if TYPE_CHECKING:
    from lect import Backbone, Example, RowTokenizer
    from lect_heads.configs import ChoiceConfig


@dataclass(frozen=True)
class ChoiceTargets:
    """The right choice of each example.

    Args:
        right: *Shape:* ``(examples,)``.
        counts: how many choices each example has.
    """

    right: Tensor
    counts: tuple[int, ...]

    def to(self, device: torch.device) -> ChoiceTargets:
        """The same on a device."""
        return ChoiceTargets(self.right.to(device), self.counts)


class ChoiceHead(PooledHead):
    """One logit a choice, softmax over an example's choices: of any number, which may differ between examples."""

    def __init__(self, config: ChoiceConfig, backbone: Backbone, labels: Sequence[str]) -> None:
        super().__init__(config, backbone, (), 1)
        self._prompts = dict(config.prompts)

    def layout(self, examples: Sequence[Example], tokenizer: RowTokenizer) -> Layout:
        """One row a choice: the premise with what is asked of it, and the choice."""
        texts, seconds, counts = [], [], []
        for example in examples:
            choices = _choices(example)
            asked = self._prompts.get(example.question or "", example.question or "")
            texts += [f"{example.text} {asked}".rstrip()] * len(choices)
            seconds += choices
            counts.append(len(choices))
        return Layout(tuple(tokenizer.whole(texts, seconds)), tuple(counts))

    def references(self, examples: Sequence[Example]) -> list[str]:
        return [str(_right(example)) for example in examples]

    def targets(self, examples: Sequence[Example], layout: Layout) -> ChoiceTargets:
        return ChoiceTargets(torch.tensor([_right(example) for example in examples]), layout.counts)

    def loss(self, logits: Tensor, targets: ChoiceTargets) -> Tensor:
        """Cross-entropy over each example's choices, the mean over examples."""
        return nn.functional.cross_entropy(_by_example(logits, targets.counts), targets.right)

    def decode(self, logits: Tensor, examples: Sequence[Example], layout: Layout) -> list[Prediction]:
        predictions = []
        for example, row in zip(examples, _by_example(logits, layout.counts).softmax(-1).tolist(), strict=True):
            choices = _choices(example)
            best = max(range(len(choices)), key=row.__getitem__)
            scores = {str(number): row[number] for number in range(len(choices))}
            record = {"choice": choices[best]}
            predictions.append(Prediction(str(best), row[best], scores, shown=choices[best], record=record))
        return predictions


def _by_example(logits: Tensor, counts: Sequence[int]) -> Tensor:
    """Each example's logits, *Shape:* ``(examples, most choices)``; where there is no choice, minus infinity."""
    split = logits[:, 0].split(list(counts))
    return nn.utils.rnn.pad_sequence(split, batch_first=True, padding_value=float("-inf"))


def _choices(example: Example) -> tuple[str, ...]:
    if example.choices is None or len(example.choices) < 2:
        raise DataError(
            "there is nothing to choose from", where=example.origin, fix="give two choices (--choice … --choice …)"
        )
    return example.choices


def _right(example: Example) -> int:
    choices = _choices(example)
    if example.label is None:
        raise DataError("the row does not say which choice is right", where=example.origin, fix="give it a label")
    if not example.label.isdecimal() or int(example.label) >= len(choices):
        raise DataError(
            f'"{example.label}" is none of {len(choices)} choices',
            where=example.origin,
            fix="set the first_label of the reader",
        )
    return int(example.label)

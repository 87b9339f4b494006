"""Among which tokens the right one is looked for, and the loss over them.

The loss over all tokens is estimated from those that the text uses, each as it is, and a sample of the others, whose
logits are raised by the logarithm of how many others each of them stands for. So the sum in the softmax's denominator
is right in expectation (importance sampling, Bengio and Senécal 2008, section III; the sampled softmax of Jean et al.
2015, section 3, with the proposal's logarithm as correction). Others are drawn in proportion to what the head's bias
alone gives them, half of them evenly: nearly as they would weigh in the sum, so that it varies little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lect.language_model.head import LanguageModelHead, known_tokens
from lect.parts import NewTokens

MOST_USED = 32_768
"""Of a text that uses more tokens, the most frequent ones are always looked at, and the rest are sampled."""
LARGEST = {"cpu": 2**24, "cuda": 2**27}
"""The largest number of logits that are held at once; elsewhere as on a CPU."""


@dataclass(frozen=True)
class Candidates:
    """What is looked at in every pass, and from what the rest is drawn.

    Args:
        always: *Shape:* ``(tokens,)``; ascending ids. New tokens of a stack are always looked at and not among these.
        others: *Shape:* ``(tokens,)``; empty where `always` is everything.
        sampled: how many of the others are drawn, with replacement.
    """

    always: Tensor
    others: Tensor
    sampled: int


def choose_candidates(counts: Tensor, size: int, wanted: Literal["auto", "corpus", "all"], sampled: int) -> Candidates:
    """The candidates for a text.

    Args:
        counts: *Shape:* ``(tokens,)``; how often the text uses each token.
        size: the number of tokens that have rows of the head's own.
        wanted: ``auto`` takes all where sampling would save less than half.
    """
    counts = counts[:size]
    used = counts.nonzero().squeeze(1)
    if len(used) > MOST_USED:
        used = counts.topk(MOST_USED).indices.sort().values
    few = 2 * (len(used) + sampled) <= size
    if wanted == "all" or len(used) + sampled >= size or (wanted == "auto" and not few):
        return Candidates(torch.arange(size), torch.empty(0, dtype=torch.long), 0)
    is_other = torch.ones(size, dtype=torch.bool)
    is_other[used] = False
    return Candidates(used, is_other.nonzero().squeeze(1), sampled)


class CandidateLoss:
    """The mean cross-entropy of the right tokens among candidates.

    Args:
        head: of which the rows that are always looked at are laid side by side once.
    """

    def __init__(self, head: LanguageModelHead, candidates: Candidates, device: torch.device) -> None:
        self._head = head
        everything = not len(candidates.others)
        self._always = candidates.always.to(device)
        self._rows = head.matrix[: len(self._always)] if everything else head.matrix[self._always].float()
        self._others, self._sampled = candidates.others.to(device), candidates.sampled
        self._is_always = torch.zeros(len(head.matrix), dtype=torch.bool, device=device)
        self._is_always[self._always] = True
        self._corrections = torch.zeros(len(head.matrix), device=device)
        if self._sampled:
            likely = (head.bias.detach()[self._others].double().softmax(0) + 1 / len(self._others)) / 2
            self._cumulated = likely.cumsum(0)
            self._corrections[self._others] = -(likely * self._sampled).log().float()

    def draw(self) -> Tensor:
        """The sample for one pass, *Shape:* ``(sampled,)``, from torch's own random state."""
        if not self._sampled:
            return self._others
        marks = torch.rand(self._sampled, dtype=torch.double).to(self._others.device) * self._cumulated[-1]
        return self._others[torch.searchsorted(self._cumulated, marks).clamp_max(len(self._others) - 1)]

    def __call__(self, hidden_states: Tensor, labels: Tensor, sample: Tensor, new: NewTokens | None = None) -> Tensor:
        """The mean loss.

        Args:
            hidden_states: *Shape:* ``(places, hidden)``.
            labels: *Shape:* ``(places,)``; the right tokens.
            sample: what `draw` gave; empty where everything is looked at.
            new: the stack's own tokens.
        """
        states = self._head.transform(hidden_states)
        width = len(self._always) + len(sample) + (0 if new is None else len(new.bias))
        step = _stretch(states.device, width)
        if len(labels) <= step or not torch.is_grad_enabled():
            return self._losses(states, labels, sample, new).mean()
        # Computed again on the way back, so that only one stretch's logits are held.
        total = torch.zeros((), device=states.device)
        for first in range(0, len(labels), step):
            own = slice(first, first + step)
            losses: Tensor = checkpoint(
                self._losses, states[own], labels[own], sample, new, use_reentrant=False, preserve_rng_state=False
            )
            total = total + losses.sum()
        return total / len(labels)

    def _losses(self, states: Tensor, labels: Tensor, sample: Tensor, new: NewTokens | None) -> Tensor:
        head = self._head
        first = known_tokens(head, new)
        right = right_logits(head, states, labels, new)
        sums = [head.logits(states, self._rows, head.bias[self._always]).logsumexp(1)]
        if new is not None:
            sums.append(head.logits(states, new.embeddings, new.bias).logsumexp(1))
        if len(sample):
            logits = head.logits(states, head.matrix[sample], head.bias[sample]) + self._corrections[sample]
            sums.append(logits.masked_fill(labels[:, None] == sample, -torch.inf).logsumexp(1))
        total = torch.stack(sums).logsumexp(0)
        # A right token that is not always looked at counts once, as it is, wherever it was drawn as well.
        missing = (labels < first) & ~self._is_always[labels.clamp_max(first - 1)]
        return torch.where(missing, torch.logaddexp(total, right), total) - right


def _stretch(device: torch.device, width: int) -> int:
    """At how many places so many logits are held at once."""
    return max(1, LARGEST.get(device.type, LARGEST["cpu"]) // width)


def right_logits(head: LanguageModelHead, states: Tensor, labels: Tensor, new: NewTokens | None) -> Tensor:
    """The logits of the right tokens, *Shape:* ``(places,)``."""
    first = known_tokens(head, new)
    old = labels.clamp_max(first - 1)
    rows, bias = head.matrix[old].float(), head.bias[old].float()
    if new is not None:
        own, is_new = (labels - first).clamp_min(0), labels >= first
        rows = torch.where(is_new[:, None], new.embeddings[own].float(), rows)
        bias = torch.where(is_new, new.bias[own], bias)
    found = (states.float() * rows).sum(1) + bias
    return found if head.cap is None else torch.tanh(found / head.cap) * head.cap


@torch.no_grad()
def full_losses(
    head: LanguageModelHead, hidden_states: Tensor, labels: Tensor, new: NewTokens | None
) -> tuple[Tensor, Tensor]:
    """The cross-entropy over all tokens at each place, and whether the right token has the largest logit.

    Args:
        hidden_states: *Shape:* ``(places, hidden)``.
        labels: *Shape:* ``(places,)``.

    Returns:
        Both of *Shape:* ``(places,)``, on the CPU.
    """
    first = known_tokens(head, new)
    states = head.transform(hidden_states)
    losses, hits = [], []
    step = _stretch(states.device, first)
    for start in range(0, len(labels), step):
        own = slice(start, start + step)
        logits = head.logits(states[own], head.matrix[:first], head.bias[:first])
        if new is not None:
            logits = torch.cat([logits, head.logits(states[own], new.embeddings, new.bias)], dim=1)
        losses.append(torch.nn.functional.cross_entropy(logits, labels[own], reduction="none").cpu())
        hits.append((logits.argmax(1) == labels[own]).cpu())
    return (torch.cat(losses), torch.cat(hits)) if losses else (torch.empty(0), torch.empty(0, dtype=torch.bool))

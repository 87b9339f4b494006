"""Several objectives as one: their weighted sum over the rows of one run.

Each row takes part in those objectives that it has the fields for: raw text beside parallel text is predicted, and the
parallel text is predicted and aligned. What the objectives make of the same rows (plain, with tokens hidden, with their
translations behind them) goes through the model side by side in one pass; what is the same goes through it once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.rows import EncodedRows
from lect.data.examples import Example
from lect.objectives import Batch, Loss, Objective, share_of_batch


@dataclass(frozen=True)
class Term:
    """One objective of several.

    Args:
        name: how figures and scores call it.
        takes: whether a row takes part.
    """

    name: str
    weight: float
    objective: Objective
    takes: Callable[[Example], bool]


@dataclass(frozen=True)
class _Taken:
    """A term's rows in a batch.

    Args:
        first: where they stand among the joined rows.
        share: how many of the batch's rows take part in it.
    """

    term: Term
    batch: Batch
    first: int
    share: float


_Scoring = Callable[[Objective, Sequence[Example]], Mapping[str, float]]


class CombinedObjective(Objective):
    """The weighted sum of objectives.

    A batch's loss is the mean over its rows of what each row adds: a term in which half of the rows take part has half
    of the weight there, so that a row counts the same whichever rows it comes with.

    Args:
        terms: each row must take part in one of them at least. The first has the main score.
    """

    def __init__(self, terms: Sequence[Term], encoder: RowEncoder) -> None:
        self._terms, self._encoder = tuple(terms), encoder
        self.main_score = terms[0].objective.main_score
        self.directions = {
            name if index == 0 else f"{term.name}/{name}": direction
            for index, term in enumerate(terms)
            for name, direction in term.objective.directions.items()
        }

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        """For each row the tokens of all it becomes, each as long as the longest, as they are padded in one pass."""
        found: list[list[int]] = [[] for _ in examples]
        for term in self._terms:
            places = [index for index, example in enumerate(examples) if term.takes(example)]
            lengths = term.objective.lengths([examples[index] for index in places]) if places else []
            for index, length in zip(places, lengths, strict=True):
                found[index].append(length)
        return [len(own) * max(own, default=0) for own in found]

    def batch(self, examples: Sequence[Example], device: torch.device) -> Batch:
        return self.batch_share(examples, range(len(examples)), device)

    def batch_share(self, examples: Sequence[Example], indices: Sequence[int], device: torch.device) -> Batch:
        taken: list[_Taken] = []
        joined: list[EncodedRows] = []
        size = 0
        for term in self._terms:
            places = [index for index, example in enumerate(examples) if term.takes(example)]
            numbers = {index: number for number, index in enumerate(places)}
            mine = [numbers[index] for index in indices if index in numbers]
            batch = share_of_batch(term.objective, [examples[index] for index in places], mine, device)
            if batch is None:
                continue
            first = next((one.first for one in taken if _are_same(one.batch.rows, batch.rows)), None)
            if first is None:
                first = size
                joined.append(batch.rows)
                size += batch.rows.size
            taken.append(_Taken(term, batch, first, len(mine) / len(indices)))
        return Batch(self._encoder.join(joined), tuple(taken))

    def loss(self, model: RoutedModel, hidden_states: Tensor, batch: Batch) -> Loss:
        """The weighted sum; figures are each term's own, before its weight, in proportion to the rows in it."""
        total = torch.zeros((), device=hidden_states.device)
        figures: dict[str, float | Tensor] = {}
        taken: tuple[_Taken, ...] = batch.targets
        for one in taken:
            rows, name = one.batch.rows, one.term.name
            own = hidden_states[one.first : one.first + rows.size, : rows.length]
            loss = one.term.objective.loss(model, own, one.batch)
            total = total + one.term.weight * one.share * loss.total
            figures[name] = loss.total.detach() * one.share
            figures |= {f"{name}/{figure}": value * one.share for figure, value in loss.terms.items()}
        return Loss(total, figures)

    def scores(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        """The first term's scores as they are called, and those of the others with their name in front."""
        return self._named(lambda objective, own: objective.scores(model, own), examples)

    def scores_without(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        return self._named(lambda objective, own: objective.scores_without(model, own), examples)

    def _named(self, score: _Scoring, examples: Sequence[Example]) -> Mapping[str, float]:
        found: dict[str, float] = {}
        for index, term in enumerate(self._terms):
            own = [example for example in examples if term.takes(example)]
            scores = score(term.objective, own) if own else {}
            found |= {name if index == 0 else f"{term.name}/{name}": value for name, value in scores.items()}
        return found


def _are_same(one: EncodedRows, other: EncodedRows) -> bool:
    """Whether two batches are the same rows through the same stacks."""
    if not torch.equal(one.input_ids, other.input_ids) or not torch.equal(one.attention_mask, other.attention_mask):
        return False
    kinds = (one.token_type_ids, other.token_type_ids)
    if any(kind is None for kind in kinds) != all(kind is None for kind in kinds):
        return False
    if kinds[0] is not None and kinds[1] is not None and not torch.equal(kinds[0], kinds[1]):
        return False
    groups = (one.routes.groups, other.routes.groups)
    return [group.components for group in groups[0]] == [group.components for group in groups[1]] and all(
        torch.equal(a.rows, b.rows) for a, b in zip(*groups, strict=True)
    )

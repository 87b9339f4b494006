"""`Objective`, the base class of what is minimised, and the records that objectives take and give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lect.literals import Progress, no_progress
from lect.scores import Direction, MetricSpec, direction_of

if TYPE_CHECKING:
    import torch

    from lect.composition.encode import RowEncoder
    from lect.composition.model import RoutedModel
    from lect.composition.rows import EncodedRows
    from lect.data.examples import Example


Vectors = Callable[[Sequence[str], tuple[str, ...]], "Tensor"]
"""Gives texts their sentence vectors by the stack of these keys."""


@dataclass(frozen=True)
class ObjectiveContext:
    """What an objective's builder gets: the composed model, the stack being trained, and the training rows.

    Args:
        stack: keys of the attached components that the training rows go through, the trained one last.
        target: keys of the stack whose vectors are the target where an objective needs one; empty for the backbone.
        metric: looks a registered metric up by name.
        folder: what relative paths in the objective's configuration start from: the recipe's own.
        progress: called with what takes long before the first step.
        vectors: gives texts their sentence vectors by a frozen stack, *Shape:* ``(texts, width)``; computed once and
            kept where rows or runs ask for them again.
    """

    model: RoutedModel
    encoder: RowEncoder
    stack: tuple[str, ...]
    target: tuple[str, ...]
    examples: Sequence[Example]
    metric: Mapping[str, MetricSpec]
    head_metrics: tuple[str, ...] = ()
    seed: int = 0
    folder: Path = Path()
    progress: Progress = no_progress
    vectors: Vectors | None = None


@dataclass(frozen=True)
class Batch:
    """Rows of one objective, encoded.

    Args:
        rows: what goes through the model, together with the rows of other objectives where several share a pass.
        targets: what `loss` compares with, in whatever form the objective likes.
    """

    rows: EncodedRows
    targets: Any


@dataclass(frozen=True)
class Loss:
    """The loss, and its terms for the log: numbers, or tensors of one number without gradient."""

    total: Tensor
    terms: Mapping[str, float | Tensor] = field(default_factory=dict)


class Objective:
    """Gives the loss of a batch; steps, devices and precision are the training loop's.

    Subclasses implement `lengths`, `batch`, `loss` and `scores`; the other methods have defaults.
    """

    #: The name among `scores` that early stopping looks at.
    main_score: str = "loss"

    #: Which way scores are better, by name. What is not in it is better the higher, a loss the lower
    #: (`lect.scores.direction_of`).
    directions: Mapping[str, Direction] = MappingProxyType({})

    def lengths(self, examples: Sequence[Example]) -> list[int]:
        """The tokens of each example, for batches of like length."""
        raise NotImplementedError

    def batch(self, examples: Sequence[Example], device: torch.device) -> Batch:
        """These examples, encoded, on the device."""
        raise NotImplementedError

    def batch_share(self, examples: Sequence[Example], indices: Sequence[int], device: torch.device) -> Batch:
        """The batch of those examples that one of several processes has.

        By default they are compared with nothing but each other. Where the rows of a batch are compared, as in a
        contrast, they should be compared with all of the examples, so that several processes learn as one would.

        Args:
            indices: which of the examples are this process's; one at least.
        """
        return self.batch([examples[index] for index in indices], device)

    def loss(self, model: RoutedModel, hidden_states: Tensor, batch: Batch) -> Loss:
        """The batch's loss, the mean over its rows.

        Args:
            hidden_states: *Shape:* ``(rows, length, hidden)``; the model's, of the rows that `batch` gave, padded as
                these were. Whoever needs another pass asks the model for it.
        """
        raise NotImplementedError

    def scores(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        """Scores on held-out examples, 0 to 1 but for distances and losses."""
        raise NotImplementedError

    def scores_without(self, model: RoutedModel, examples: Sequence[Example]) -> Mapping[str, float]:
        """The same scores without the component that is trained; empty where nothing can be predicted without it."""
        return {}


def score_direction(objective: Objective, name: str) -> Direction:
    """Which way a score of an objective is better."""
    return direction_of(name, objective.directions)


def share_of_batch(
    objective: Objective, examples: Sequence[Example], indices: Sequence[int], device: torch.device
) -> Batch | None:
    """The batch of some of the examples, where a process has only these; None where it has none.

    Args:
        indices: which of the examples the process has.
    """
    if not indices:
        return None
    if len(indices) == len(examples):
        return objective.batch([examples[index] for index in indices], device)
    return objective.batch_share(examples, indices, device)

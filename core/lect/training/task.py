"""What the training loop works on, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.errors import Interrupted as Interrupted
from lect.objectives import Objective
from lect.training.ground import Ground
from lect.training.meta import Meta, meta_steps
from lect.training.mixing import budget_steps, mixed_steps, probabilities
from lect.training.order import StepRows, count_steps, single_steps, steps_an_epoch
from lect.training.precision import Precision
from lect.training.processes import Processes

if TYPE_CHECKING:
    from lect.recipes.training import LearningTable, RunTable

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Learner:
    """One component that learns, and what it learns from.

    Args:
        weight: how much more often its rows are drawn than by their number, where several components learn.
    """

    component: Component
    objective: Objective
    train: Sequence[Example]
    validation: Sequence[Example]
    settings: LearningTable
    weight: float = 1.0

    @property
    def key(self) -> str:
        """How stacks name the component."""
        return self.component.key

    @cached_property
    def lengths(self) -> list[int]:
        """The pieces of each training row."""
        # Some at a time: all rows' pieces at once would be what the whole corpus takes.
        parts = (self.train[first : first + _ROWS_AT_ONCE] for first in range(0, len(self.train), _ROWS_AT_ONCE))
        return [length for part in parts for length in self.objective.lengths(part)]

    @cached_property
    def parameters(self) -> dict[str, nn.Parameter]:
        """What is optimised, by its name in the component."""
        tensors = self.component.tensor_references()
        return {name: tensor for name, tensor in tensors.items() if isinstance(tensor, nn.Parameter)}


@dataclass(frozen=True)
class Task:
    """What the loop works on.

    Args:
        learners: nothing but their components learns; each has its own rows, loss and learning rates.
        temperature: how evenly rows of several learners are drawn (`lect.training.mixing`).
        checkpoints: the folder where checkpoints are kept.
        identity: hash of recipe and data, as checkpoints of earlier versions have it.
        ground: what the run stands on, so that only the same run goes on from a checkpoint.
        processes: those that train together, each with a task like this.
        meta: how the single learner meta-learns; None where it learns plainly.
        keeps_last: whether learners end as they are in the last validation, and not as they were in their best one.
    """

    model: RoutedModel
    encoder: RowEncoder
    learners: tuple[Learner, ...]
    settings: RunTable
    precision: Precision
    checkpoints: Path
    identity: str
    temperature: float = 1.0
    processes: Processes = field(default_factory=Processes)
    meta: Meta | None = None
    keeps_last: bool = False
    ground: Ground | None = None


@dataclass(frozen=True)
class Result:
    """How a run ended for one learner.

    Args:
        seconds: spent in all, by all learners together, over every resumed stretch.
        rows: the learner's rows that were seen, again whenever they came again.
        scores: the best validation scores; empty without validation rows.
        without: the same scores without the component, where there are any.
    """

    steps: int
    seconds: float
    rows: int
    scores: Mapping[str, float] = field(default_factory=dict)
    without: Mapping[str, float] = field(default_factory=dict)


def planned_steps(
    lengths: Sequence[Sequence[int]],
    weights: Sequence[float],
    temperature: float,
    settings: RunTable,
    meta: Meta | None = None,
) -> Iterator[StepRows]:
    """The steps of a run, without end; they depend on nothing but the arguments.

    Args:
        lengths: for each learner, the length of each of its rows.
        weights: how much more often a learner's rows are drawn than by their number.
    """
    sizes, seed = [len(own) for own in lengths], settings.seed
    if settings.batch_tokens is not None:
        shares = probabilities(sizes, weights, temperature)
        return budget_steps(lengths, shares, settings.batch_tokens, settings.accumulation, seed)
    assert settings.batch_size is not None
    if meta is not None:
        return meta_steps(meta, settings.batch_size, settings.accumulation, seed)
    if len(lengths) == 1:
        return single_steps(lengths[0], settings.batch_size, settings.accumulation, seed)
    shares = probabilities(sizes, weights, temperature)
    return mixed_steps(lengths, shares, settings.batch_size, settings.accumulation, seed)


def total_steps(
    lengths: Sequence[Sequence[int]],
    weights: Sequence[float],
    temperature: float,
    settings: RunTable,
    meta: Meta | None = None,
) -> int:
    """The optimiser steps that a run takes. Arguments as of `planned_steps`."""
    if settings.steps is not None:
        return settings.steps
    epochs = settings.epochs or 1
    if meta is not None and settings.batch_size is not None:
        return meta.steps_an_epoch(settings.batch_size, settings.accumulation) * epochs
    if settings.batch_size is not None:
        return steps_an_epoch(sum(map(len, lengths)), settings.batch_size, settings.accumulation) * epochs
    return count_steps(planned_steps(lengths, weights, temperature, settings), epochs)

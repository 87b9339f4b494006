"""What the training loop works on, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from lect.backbones.precision import computing_in
from lect.composition.component import Component
from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.counts import number_of, some_of
from lect.data.examples import Example
from lect.literals import ComputePrecision
from lect.objectives import Objective
from lect.training.distributed.processes import Processes
from lect.training.fingerprint import RunFingerprint
from lect.training.meta import Meta
from lect.training.optimisation import Precision
from lect.training.plan import StepPlan

if TYPE_CHECKING:
    from lect.recipes.training import LearningTable, RunTable

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class TrainedComponent:
    """A component that is trained, built, with all that it is trained on.

    Args:
        component: attached to the model.
        stack: keys of what its rows go through, the component itself last.
        weight: how much more often its rows are drawn than by their number, where several components are trained.
        truncated: training texts longer than the backbone reads, by where they stand.
    """

    component: Component
    objective: Objective
    train: Sequence[Example] = field(repr=False)
    validation: Sequence[Example] = field(repr=False)
    settings: LearningTable = field(repr=False)
    weight: float = 1.0
    stack: tuple[str, ...] = ()
    truncated: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """How stacks name the component."""
        return self.component.key

    @cached_property
    def lengths(self) -> list[int]:
        """The tokens of each training row."""
        # Some at a time: all rows' tokens at once would be what the whole corpus takes.
        parts = (self.train[first : first + _ROWS_AT_ONCE] for first in range(0, len(self.train), _ROWS_AT_ONCE))
        return [length for part in parts for length in self.objective.lengths(part)]

    @cached_property
    def parameters(self) -> dict[str, nn.Parameter]:
        """The trainable parameters, by their names in the component."""
        tensors = self.component.tensor_references()
        return {name: tensor for name, tensor in tensors.items() if isinstance(tensor, nn.Parameter)}


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """All that the training loop works on.

    Args:
        components: nothing else is trained; each has its own rows, loss and learning rates.
        checkpoints: the folder where checkpoints are kept.
        fingerprint: what decides the result, so that only the same run goes on from a checkpoint.
        legacy_hash: the same as checkpoints of earlier versions have it.
        temperature: how evenly rows of several components are drawn (`lect.training.sampling`).
        processes: those that train together, each with a setup like this.
        meta: how the single component meta-learns; None where it learns plainly.
        keeps_last: whether components end as they are in the last validation, and not as they were in their best one.
    """

    model: RoutedModel
    encoder: RowEncoder
    components: tuple[TrainedComponent, ...]
    settings: RunTable
    precision: Precision
    checkpoints: Path
    fingerprint: RunFingerprint = field(default_factory=RunFingerprint)
    legacy_hash: str = ""
    temperature: float = 1.0
    processes: Processes = field(default_factory=Processes)
    meta: Meta | None = None
    keeps_last: bool = False

    def __repr__(self) -> str:
        keys = some_of([component.key for component in self.components])
        rows = number_of(sum(len(component.train) for component in self.components), "row")
        return f"<TrainingSetup of {keys} on {self.model.backbone.name}: {rows}, in {self.precision.name}>"

    def computing(self) -> AbstractContextManager[None]:
        """A block in which frozen projections are computed as the precision says; autocast is Accelerate's affair."""
        name: ComputePrecision = "int8" if self.precision.name == "int8" else "float32"
        return computing_in(name, self.model.backbone, torch.device("cpu"))

    @cached_property
    def plan(self) -> StepPlan:
        """The steps that the run takes."""
        return StepPlan(
            lengths=[component.lengths for component in self.components],
            weights=[component.weight for component in self.components],
            temperature=self.temperature,
            settings=self.settings,
            meta=self.meta,
        )


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended for one component.

    Args:
        seconds: spent in all, by all components together, over every resumed stretch.
        rows: the component's rows that were seen, again whenever they came again.
        scores: the best validation scores; empty without validation rows.
        without: the same scores without the component, where there are any.
    """

    steps: int
    seconds: float
    rows: int
    scores: Mapping[str, float] = field(default_factory=dict)
    without: Mapping[str, float] = field(default_factory=dict)

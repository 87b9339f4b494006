"""The plan of a run: which rows each optimiser step has, and how many steps there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lect.training.meta import Meta, meta_steps
from lect.training.sampling import (
    StepRows,
    budget_steps,
    count_steps,
    mixed_steps,
    probabilities,
    single_steps,
    steps_an_epoch,
)

if TYPE_CHECKING:
    from lect.recipes.training import RunTable


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """The steps of a run; they depend on nothing but what is given here.

    Args:
        lengths: for each component, the length of each of its rows, in tokens.
        weights: how much more often a component's rows are drawn than by their number.
        temperature: how evenly rows of several components are drawn (`lect.training.sampling`).
        meta: how the single component meta-learns; None where it learns plainly.
    """

    lengths: Sequence[Sequence[int]]
    weights: Sequence[float]
    temperature: float
    settings: RunTable
    meta: Meta | None = None

    def steps(self) -> Iterator[StepRows]:
        """The rows of each step, without end."""
        settings, seed = self.settings, self.settings.seed
        if settings.batch_tokens is not None:
            return budget_steps(self.lengths, self._shares, settings.batch_tokens, settings.accumulation, seed)
        assert settings.batch_size is not None
        if self.meta is not None:
            return meta_steps(self.meta, settings.batch_size, settings.accumulation, seed)
        if len(self.lengths) == 1:
            return single_steps(self.lengths[0], settings.batch_size, settings.accumulation, seed)
        return mixed_steps(self.lengths, self._shares, settings.batch_size, settings.accumulation, seed)

    @cached_property
    def total(self) -> int:
        """The optimiser steps that the run takes."""
        settings = self.settings
        if settings.steps is not None:
            return settings.steps
        epochs = settings.epochs or 1
        if settings.batch_size is None:
            return count_steps(self.steps(), epochs)
        if self.meta is not None:
            return self.meta.steps_an_epoch(settings.batch_size, settings.accumulation) * epochs
        return steps_an_epoch(sum(map(len, self.lengths)), settings.batch_size, settings.accumulation) * epochs

    def after(self, taken: int) -> Iterator[tuple[int, StepRows]]:
        """The steps that are left once so many are taken, each with the number of its epoch, which counts from 1."""
        epoch = 1
        for number, rows in zip(range(self.total), self.steps(), strict=False):
            if number >= taken:
                yield epoch, rows
            epoch += rows.ends_epoch

    @property
    def _shares(self) -> list[float]:
        return probabilities(list(map(len, self.lengths)), self.weights, self.temperature)

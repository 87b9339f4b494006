"""Meta-learning over the sources of the data: parameters from which each of several tasks is learned in few steps.

A source is a task: a language, say, with a stack of its own. In each optimiser step some of them are drawn, and of
each some batches; from the parameters as they are, plain gradient descent takes a step a batch, and what came of it
gives the gradient for the parameters as they were:

- ``reptile`` (Nichol et al. 2018, algorithm 1): the way gone, over the rate, which is the sum of the inner gradients.
  It is divided by their number here, so that learning rates mean the same whatever `inner_steps` is.
- ``fomaml`` (Finn et al. 2017, section 5.2, first-order): the gradient at the end of the way, on one more batch.

The run's own optimiser takes the step. What is learned is an ordinary component.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lect.training.sampling import StepRows, steps_an_epoch

if TYPE_CHECKING:
    from lect.recipes.training import MetaTable


@dataclass(frozen=True)
class Meta:
    """How a run meta-learns.

    Args:
        sources: the rows of each source; they stand in this order among the training rows.
    """

    settings: MetaTable
    sources: tuple[int, ...]

    @property
    def batches(self) -> int:
        """The batches of a task in one step."""
        return self.settings.inner_steps + (self.settings.method == "fomaml")

    def steps_an_epoch(self, batch_size: int, accumulation: int) -> int:
        """The optimiser steps in which as many rows are seen as there are."""
        return steps_an_epoch(sum(self.sources), batch_size * self.batches, accumulation)


def meta_steps(meta: Meta, batch_size: int, accumulation: int, seed: int) -> Iterator[StepRows]:
    """The steps of a run, without end: each pass has a task's rows, for all its batches.

    Tasks come equally often, however many rows they have; no row of a task comes again before all of it have come. The
    result depends on nothing but the arguments.
    """
    firsts = [sum(meta.sources[:source]) for source in range(len(meta.sources))]
    rows = [
        _walk(range(first, first + size), f"{seed}/meta/{source}")
        for source, (first, size) in enumerate(zip(firsts, meta.sources, strict=True))
    ]
    tasks = _walk(range(len(meta.sources)), f"{seed}/meta")
    an_epoch = meta.steps_an_epoch(batch_size, accumulation)
    for step in count(1):
        chosen = list(islice(tasks, accumulation))
        passes = [[list(islice(rows[task], batch_size * meta.batches))] for task in chosen]
        yield StepRows(passes, step % an_epoch == 0)


def learn_task(
    meta: Meta,
    parameters: Sequence[Tensor],
    rows: Sequence[int],
    seen: int,
    backward: Callable[[Sequence[int]], int],
) -> int:
    """Add the gradient of one task to that of the parameters, which stay as they are; returns the tokens seen.

    Args:
        rows: of the task, for all its batches.
        seen: the number of rows in the whole optimiser step; the task's gradient counts by its share of them.
        backward: adds the gradient of some rows, and by their share of those seen, to the parameters'.
    """
    settings = meta.settings
    start = [parameter.detach().clone() for parameter in parameters]
    before = [parameter.grad for parameter in parameters]
    found: list[Tensor | None] = [None] * len(parameters)
    size = len(rows) // meta.batches
    tokens = 0
    for number in range(meta.batches):
        batch = rows[number * size : (number + 1) * size]
        for parameter in parameters:
            parameter.grad = None
        tokens += backward(batch)
        is_last = number == meta.batches - 1
        with torch.no_grad():
            for index, parameter in enumerate(parameters):
                gradient, so_far = parameter.grad, found[index]
                if gradient is None:
                    continue
                gradient = gradient * (seen / len(batch))
                if settings.method == "reptile":
                    mean = gradient / meta.batches
                    found[index] = mean if so_far is None else so_far + mean
                elif is_last:
                    found[index] = gradient
                if not is_last:
                    parameter -= settings.inner_rate * gradient
    with torch.no_grad():
        for parameter, value, held, gradient in zip(parameters, start, before, found, strict=True):
            parameter.copy_(value)
            parameter.grad = held
            if gradient is not None:
                share = gradient * (len(rows) / seen)
                parameter.grad = share if held is None else held + share
    return tokens


def _walk(items: range, seed: str) -> Iterator[int]:
    for epoch in count():
        shuffled = list(items)
        random.Random(f"{seed}/{epoch}").shuffle(shuffled)
        yield from shuffled

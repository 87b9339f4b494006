"""The training loop: steps, precision, accumulation, schedule, clipping, validation, checkpoints. No languages."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from lect.composition.component import Component
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.errors import LectError, UserError
from lect.training.checkpoint import Checkpoint, State, save_checkpoint
from lect.training.objective import Batch, Loss, Objective
from lect.training.order import epoch_batches
from lect.training.precision import Precision
from lect.training.schedule import learning_rate_factor

if TYPE_CHECKING:
    from lect.recipes.schema import TrainingTable


class Observer(Protocol):
    """Told what a run does; never asked."""

    def stepped(self, step: int, metrics: Mapping[str, float]) -> None:
        """The optimiser has taken a step."""

    def evaluated(self, step: int, scores: Mapping[str, float]) -> None:
        """A validation has ended."""


@dataclass(frozen=True)
class Task:
    """What the loop works on.

    Args:
        component: the only thing that learns.
        checkpoints: the folder where checkpoints are kept.
        identity: hash of recipe and data, so that only the same run goes on from a checkpoint.
    """

    model: RoutedModel
    component: Component
    objective: Objective
    train: Sequence[Example]
    validation: Sequence[Example]
    settings: TrainingTable
    precision: Precision
    checkpoints: Path
    identity: str


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Args:
        seconds: spent in all, over every resumed stretch.
        scores: the best validation scores; empty without validation rows.
        without: the same scores without the component, where there are any.
    """

    steps: int
    seconds: float
    scores: Mapping[str, float]
    without: Mapping[str, float]


class Interrupted(LectError):  # noqa: N818 - a stop on request is not an error
    """The run was stopped by the user, after a checkpoint was written.

    Args:
        step: steps taken.
        total: steps planned.
    """

    def __init__(self, step: int, total: int) -> None:
        self.step, self.total = step, total
        super().__init__(f"stopped at step {step} of {total}")


class TrainingModule(nn.Module):
    """Model and objective as one module, so that Accelerate wraps and autocasts both."""

    def __init__(self, model: RoutedModel, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self._objective = objective

    def forward(self, batch: Batch) -> Loss:
        """The batch's loss."""
        return self._objective.loss(self.model, batch)


def total_steps(rows: int, settings: TrainingTable) -> int:
    """The optimiser steps that a run takes."""
    if settings.steps is not None:
        return settings.steps
    per_epoch = math.ceil(math.ceil(rows / settings.batch_size) / settings.accumulation)
    return per_epoch * (settings.epochs or 1)


def fit(task: Task, observer: Observer, resume: Checkpoint | None, stop: Callable[[], bool]) -> Result:
    """Train the component in place.

    Args:
        resume: where to go on from.
        stop: asked after every step; True ends the run after a checkpoint.

    Raises:
        Interrupted: `stop` said so.
        UserError: the loss is no longer a finite number.
    """
    return _Fit(task, observer, stop).run(resume)


class _Fit:
    def __init__(self, task: Task, observer: Observer, stop: Callable[[], bool]) -> None:
        self._task, self._observer, self._stop = task, observer, stop
        settings = task.settings
        self._total = total_steps(len(task.train), settings)
        self._accelerator = _accelerator(task.precision)
        for parameter in task.model.parameters():
            parameter.requires_grad_(False)
        self._live = task.component.tensor_references()
        self._trained = {name: value for name, value in self._live.items() if isinstance(value, nn.Parameter)}
        for parameter in self._trained.values():
            parameter.requires_grad_(True)
        optimiser = torch.optim.AdamW(_groups(self._trained, settings), lr=settings.learning_rate, fused=True)
        module = TrainingModule(task.model, task.objective)
        self._module, self._optimiser = self._accelerator.prepare(module, optimiser)
        self._rates = [group["lr"] for group in self._optimiser.param_groups]
        self._lengths = task.objective.lengths(task.train)
        self._state = State(0, task.identity)
        self._best: dict[str, Tensor] | None = None

    def run(self, resume: Checkpoint | None) -> Result:
        settings = self._task.settings
        torch.manual_seed(settings.seed)
        if resume is not None:
            self._restore(resume)
        started = time.perf_counter() - self._state.seconds
        self._task.model.train()
        # The frozen backbone stays free of dropout: its vectors are what the parts are trained on.
        self._task.model.encoder.eval()
        saved = resume.state.step if resume else -1
        ended = False
        for batches, ends_epoch in self._remaining(self._state.step):
            metrics = self._step(batches, started)
            step = self._state.step
            self._observer.stepped(step, metrics)
            if self._task.validation and self._is_evaluation(step, ends_epoch):
                ended = self._validate(step)
            self._state = replace(self._state, seconds=time.perf_counter() - started)
            every = settings.checkpoint_every
            if every and step % every == 0 and step < self._total and not ended:
                self._checkpoint()
                saved = step
            if ended:
                break
            if step < self._total and self._stop():
                if saved != step:
                    self._checkpoint()
                raise Interrupted(step, self._total)
        if self._best is not None:
            self._task.component.load_tensors(self._best)
        self._task.model.eval()
        seconds = time.perf_counter() - started
        without: Mapping[str, float] = {}
        if self._task.validation:
            with self._accelerator.autocast():
                without = dict(self._task.objective.scores_without(self._task.model, self._task.validation))
        return Result(self._state.step, seconds, self._state.scores, without)

    def _remaining(self, taken: int) -> Iterator[tuple[list[list[int]], bool]]:
        """The micro-batches of each step still to take, and whether the step ends an epoch."""
        settings, step, epoch = self._task.settings, 0, 0
        while step < self._total:
            batches = epoch_batches(self._lengths, settings.batch_size, settings.seed, epoch)
            for first in range(0, len(batches), settings.accumulation):
                if step >= self._total:
                    return
                step += 1
                if step > taken:
                    yield batches[first : first + settings.accumulation], first + settings.accumulation >= len(batches)
            epoch += 1

    def _step(self, batches: list[list[int]], started: float) -> dict[str, float]:
        task, settings, step = self._task, self._task.settings, self._state.step
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * learning_rate_factor(step, self._total, settings.schedule, settings.warmup)
        rows = sum(len(batch) for batch in batches)
        losses, pieces, terms = 0.0, 0, dict[str, float]()
        parts = list(task.component.parts.values())
        for indices in batches:
            batch = task.objective.batch([task.train[index] for index in indices], self._accelerator.device)
            loss: Loss = self._module(batch)
            total = loss.total
            for penalty in (part.penalty() for part in parts):
                total = total if penalty is None else total + penalty
            share = batch.rows / rows
            self._accelerator.backward(total * share)
            losses += float(total.detach()) * share
            pieces += batch.pieces
            for name, value in loss.terms.items():
                terms[name] = terms.get(name, 0.0) + value * share
        if not math.isfinite(losses):
            raise UserError(
                f"the loss is {losses} at step {step + 1}",
                where="training",
                fix='lower training.learning_rate, or set training.precision to "float32"',
            )
        if settings.clip:
            self._accelerator.clip_grad_norm_(list(self._trained.values()), settings.clip)
        self._optimiser.step()
        for part in parts:
            part.after_step(step + 1, self._total)
        self._optimiser.zero_grad(set_to_none=True)
        self._state = replace(self._state, step=step + 1)
        seconds = time.perf_counter() - started
        rate = self._optimiser.param_groups[0]["lr"]
        return {"loss": losses, **terms, "learning_rate": rate, "pieces": float(pieces), "seconds": seconds}

    def _is_evaluation(self, step: int, ends_epoch: bool) -> bool:
        every = self._task.settings.evaluate_every
        return step == self._total or (ends_epoch if every == "epoch" else step % int(every) == 0)

    def _validate(self, step: int) -> bool:
        """Score the validation rows; whether the run should end early."""
        task = self._task
        with self._accelerator.autocast():
            scores = dict(task.objective.scores(task.model, task.validation))
        task.model.train()
        task.model.encoder.eval()
        self._observer.evaluated(step, scores)
        score = _main_score(scores, task.settings.metric or task.objective.main_score)
        if self._state.best is None or score > self._state.best:
            self._best = task.component.tensors()
            self._best = {name: value.clone() for name, value in self._best.items()}
            self._state = replace(self._state, best=score, waited=0, scores=scores)
        else:
            self._state = replace(self._state, waited=self._state.waited + 1)
        patience = task.settings.patience
        return patience is not None and self._state.waited >= patience

    def _checkpoint(self) -> None:
        task = self._task
        save_checkpoint(
            task.checkpoints,
            self._state,
            task.component.tensors(),
            self._best,
            self._optimiser.state_dict(),
            task.settings.keep_checkpoints,
        )

    def _restore(self, checkpoint: Checkpoint) -> None:
        self._task.component.load_tensors(checkpoint.tensors)
        self._optimiser.load_state_dict(checkpoint.optimiser)
        torch.set_rng_state(checkpoint.random)
        self._state = checkpoint.state
        self._best = None if checkpoint.best is None else dict(checkpoint.best)


def _accelerator(precision: Precision) -> Any:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    # Accelerate keeps the first run's precision for the process; a second run may ask for another.
    AcceleratorState._reset_state()
    return Accelerator(mixed_precision=precision.mixed)


def _groups(parameters: Mapping[str, nn.Parameter], settings: TrainingTable) -> list[dict[str, Any]]:
    """Optimiser groups: the method's (or head's) own learning rate, and no weight decay on vectors."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        rate = settings.learning_rates.get(name.split(".", 1)[0], settings.learning_rate)
        decay = settings.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": members, "lr": rate, "weight_decay": decay} for (rate, decay), members in groups.items()]


def _main_score(scores: Mapping[str, float], name: str) -> float:
    if name not in scores:
        from lect.errors import RecipeError, nearest

        raise RecipeError(f'no score "{name}"', where="training.metric", fix=nearest(name, scores))
    return scores[name]

"""The training loop: steps, precision, accumulation, schedule, clipping, validation, checkpoints. No languages."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from lect.errors import RecipeError, UserError, nearest
from lect.training.checkpoint import Checkpoint, State, save_checkpoint
from lect.training.joint import JointLosses
from lect.training.mixing import mixed_steps, probabilities
from lect.training.objective import Loss
from lect.training.optimise import clip_gradients, make_accelerator, make_optimiser
from lect.training.order import Indices, StepRows, single_steps
from lect.training.schedule import learning_rate_factor
from lect.training.task import Interrupted, Learner, Result, Task, total_steps


class Observer(Protocol):
    """Told what a run does; never asked. Where several components learn, figures of one bear its key in front."""

    def stepped(self, step: int, metrics: Mapping[str, float]) -> None:
        """The optimiser has taken a step."""

    def evaluated(self, step: int, scores: Mapping[str, float]) -> None:
        """A validation has ended."""


def fit(task: Task, observer: Observer, resume: Checkpoint | None, stop: Callable[[], bool]) -> tuple[Result, ...]:
    """Train the learners' components in place; one result each.

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
        self._total = total_steps(sum(len(learner.train) for learner in task.learners), task.settings)
        self._accelerator = make_accelerator(task.precision)
        for parameter in task.model.parameters():
            parameter.requires_grad_(False)
        for learner in task.learners:
            for parameter in learner.parameters.values():
                parameter.requires_grad_(True)
        module = JointLosses(task.model, task.encoder, [learner.objective for learner in task.learners])
        self._losses, self._optimiser = self._accelerator.prepare(module, make_optimiser(task.learners))
        self._rates = [group["lr"] for group in self._optimiser.param_groups]
        self._lengths = [learner.objective.lengths(learner.train) for learner in task.learners]
        self._state = State(0, task.identity)
        self._best: dict[str, dict[str, Tensor]] = {}

    def run(self, resume: Checkpoint | None) -> tuple[Result, ...]:
        settings, validates = self._task.settings, any(learner.validation for learner in self._task.learners)
        torch.manual_seed(settings.seed)
        if resume is not None:
            self._restore(resume)
        started = time.perf_counter() - self._state.seconds
        self._task.model.train()
        # The frozen backbone stays free of dropout: its vectors are what the parts are trained on.
        self._task.model.encoder.eval()
        saved = resume.state.step if resume else -1
        ended = False
        for rows in self._remaining(self._state.step):
            metrics = self._step(rows, started)
            step = self._state.step
            self._observer.stepped(step, metrics)
            if validates and self._is_evaluation(step, rows.ends_epoch):
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
        for learner in self._task.learners:
            if learner.key in self._best:
                learner.component.load_tensors(self._best[learner.key])
        self._task.model.eval()
        seconds = time.perf_counter() - started
        return tuple(self._result(learner, seconds) for learner in self._task.learners)

    def _result(self, learner: Learner, seconds: float) -> Result:
        without: Mapping[str, float] = {}
        if learner.validation:
            with self._accelerator.autocast():
                without = dict(learner.objective.scores_without(self._task.model, learner.validation))
        state, key = self._state, learner.key
        return Result(state.step, seconds, state.rows.get(key, 0), state.scores.get(key, {}), without)

    def _remaining(self, taken: int) -> Iterator[StepRows]:
        """The steps still to take."""
        task, settings = self._task, self._task.settings
        if len(task.learners) == 1:
            steps = single_steps(self._lengths[0], settings.batch_size, settings.accumulation, settings.seed)
        else:
            sizes, weights = map(len, self._lengths), [learner.weight for learner in task.learners]
            shares = probabilities(list(sizes), weights, task.temperature)
            steps = mixed_steps(self._lengths, shares, settings.batch_size, settings.accumulation, settings.seed)
        return itertools.islice(steps, taken, self._total)

    def _step(self, rows: StepRows, started: float) -> dict[str, float]:
        task, settings, step = self._task, self._task.settings, self._state.step
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * learning_rate_factor(step, self._total, settings.schedule, settings.warmup)
        seen = [sum(len(indices) for indices in column) for column in zip(*rows.passes, strict=True)]
        figures: list[dict[str, float]] = [{} for _ in task.learners]
        pieces = sum(self._pass(indices, seen, figures) for indices in rows.passes)
        for learner, own in zip(task.learners, figures, strict=True):
            if not math.isfinite(own.get("loss", 0.0)):
                whose = f" of {learner.key}" if len(task.learners) > 1 else ""
                raise UserError(
                    f"the loss{whose} is {own['loss']} at step {step + 1}",
                    where="training",
                    fix='lower training.learning_rate, or set training.precision to "float32"',
                )
        if settings.clip:
            clip_gradients(self._accelerator, task.learners, settings.clip)
        self._optimiser.step()
        for learner in task.learners:
            for part in learner.component.parts.values():
                part.after_step(step + 1, self._total)
        self._optimiser.zero_grad(set_to_none=True)
        counted = {
            learner.key: self._state.rows.get(learner.key, 0) + count
            for learner, count in zip(task.learners, seen, strict=True)
        }
        self._state = replace(self._state, step=step + 1, rows=counted)
        seconds = time.perf_counter() - started
        rate = self._optimiser.param_groups[0]["lr"]
        return {**self._named(figures), "learning_rate": rate, "pieces": float(pieces), "seconds": seconds}

    def _pass(self, rows: Sequence[Indices], seen: Sequence[int], figures: Sequence[dict[str, float]]) -> int:
        """Add one pass's gradients and figures; returns its pieces.

        The total is the sum of the learners' losses, each the mean over its own rows in the step: as if it was alone.

        Args:
            rows: for each learner, its rows in the pass.
            seen: for each learner, the number of its rows in the step.
        """
        learners, device = self._task.learners, self._accelerator.device
        batches = [
            learner.objective.batch([learner.train[index] for index in indices], device) if indices else None
            for learner, indices in zip(learners, rows, strict=True)
        ]
        losses: list[Loss | None] = self._losses(batches)
        total: Tensor | None = None
        for learner, loss, indices, count, own in zip(learners, losses, rows, seen, figures, strict=True):
            if loss is None:
                continue
            value = loss.total
            for penalty in (part.penalty() for part in learner.component.parts.values()):
                value = value if penalty is None else value + penalty
            share = len(indices) / count
            total = value * share if total is None else total + value * share
            for name, figure in {"loss": float(value.detach()), **loss.terms}.items():
                own[name] = own.get(name, 0.0) + figure * share
        self._accelerator.backward(total)
        return sum(batch.rows.pieces for batch in batches if batch is not None)

    def _named(self, figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """The figures of all learners in one: those of several with the component's key in front."""
        if len(figures) == 1:
            return dict(figures[0])
        named = {"loss": sum(own.get("loss", 0.0) for own in figures)}
        for learner, own in zip(self._task.learners, figures, strict=True):
            named |= {f"{learner.key}/{name}": figure for name, figure in own.items()}
        return named

    def _is_evaluation(self, step: int, ends_epoch: bool) -> bool:
        every = self._task.settings.evaluate_every
        return step == self._total or (ends_epoch if every == "epoch" else step % int(every) == 0)

    def _validate(self, step: int) -> bool:
        """Score the validation rows; whether the run should end early: no learner gains any more."""
        task = self._task
        validated = [learner for learner in task.learners if learner.validation]
        with self._accelerator.autocast():
            scores = [dict(learner.objective.scores(task.model, learner.validation)) for learner in validated]
        task.model.train()
        task.model.encoder.eval()
        several = len(task.learners) > 1
        self._observer.evaluated(
            step,
            {
                f"{learner.key}/{name}" if several else name: score
                for learner, own in zip(validated, scores, strict=True)
                for name, score in own.items()
            },
        )
        for learner, own in zip(validated, scores, strict=True):
            self._keep_best(learner, own)
        patience = task.settings.patience
        return patience is not None and all(self._state.waited[learner.key] >= patience for learner in validated)

    def _keep_best(self, learner: Learner, scores: dict[str, float]) -> None:
        state, key = self._state, learner.key
        score = _main_score(scores, learner.settings.metric or learner.objective.main_score)
        if key not in state.best or score > state.best[key]:
            self._best[key] = {name: value.clone() for name, value in learner.component.tensors().items()}
            self._state = replace(
                state,
                best={**state.best, key: score},
                waited={**state.waited, key: 0},
                scores={**state.scores, key: scores},
            )
        else:
            self._state = replace(state, waited={**state.waited, key: state.waited[key] + 1})

    def _checkpoint(self) -> None:
        task = self._task
        save_checkpoint(
            task.checkpoints,
            self._state,
            {learner.key: learner.component.tensors() for learner in task.learners},
            self._best,
            self._optimiser.state_dict(),
            task.settings.keep_checkpoints,
        )

    def _restore(self, checkpoint: Checkpoint) -> None:
        for learner in self._task.learners:
            learner.component.load_tensors(checkpoint.tensors[learner.key])
        self._optimiser.load_state_dict(checkpoint.optimiser)
        torch.set_rng_state(checkpoint.random)
        self._state = checkpoint.state
        self._best = {key: dict(tensors) for key, tensors in checkpoint.best.items()}


def _main_score(scores: Mapping[str, float], name: str) -> float:
    if name not in scores:
        raise RecipeError(f'no score "{name}"', where="training.metric", fix=nearest(name, scores))
    return scores[name]

"""The training loop: steps, precision, accumulation, schedule, clipping, validation, checkpoints. No languages."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from lect.composition.finite import NotFiniteError
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.device import memory_used
from lect.errors import ComponentError, UserError
from lect.leftovers import take_away
from lect.training.best import AstrayError, check_weights, is_gain, main_score
from lect.training.checkpoint import Checkpoint, State, checkpoints, save_checkpoint
from lect.training.joint import JointLosses
from lect.training.optimise import clip_gradients, make_accelerator, make_optimiser
from lect.training.order import StepRows, dealt
from lect.training.passes import Passes
from lect.training.randomness import random_state, seed_all, set_random_state
from lect.training.schedule import learning_rate_factor
from lect.training.sharding import is_sharded, shard_backbone
from lect.training.task import Interrupted, Learner, Result, Task, planned_steps, total_steps


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
        AstrayError: the loss, a weight or a validation score is no longer a finite number; the learners are as they
            were in their best validations before, where there were any.
    """
    return Fit(task, observer, stop).run(resume)


Scoring = Callable[[RoutedModel, Sequence[Example]], Mapping[str, float]]


@dataclass(frozen=True)
class _Asked:
    """What a process was asked while it took a step: to stop, or to keep what is learned so far."""

    stop: bool = False
    checkpoint: bool = False


class Fit:
    """One run of the loop over a task; arguments as of `fit`."""

    def __init__(self, task: Task, observer: Observer, stop: Callable[[], bool]) -> None:
        self._task, self._observer, self._stop = task, observer, stop
        self._accelerator = make_accelerator(task.precision)
        for parameter in task.model.parameters():
            parameter.requires_grad_(False)
        for learner in task.learners:
            for parameter in learner.parameters.values():
                parameter.requires_grad_(True)
        module = JointLosses(task.model, task.encoder, [learner.objective for learner in task.learners])
        # Not wrapped for several processes: `Processes` sums the gradients, and says why.
        losses = self._accelerator.prepare_model(module, evaluation_mode=True)
        self._sharded = is_sharded()
        if self._sharded:
            shard_backbone(task.model, len(task.learners), self._accelerator.device)
        self._optimiser = self._accelerator.prepare_optimizer(make_optimiser(task.learners))
        self._trained = [tensor for learner in task.learners for tensor in learner.parameters.values()]
        self._passes = Passes(task, self._accelerator, losses, self._trained)
        self._rates = [group["lr"] for group in self._optimiser.param_groups]
        lengths = [learner.lengths for learner in task.learners]
        weights = [learner.weight for learner in task.learners]
        self._plan = (lengths, weights, task.temperature, task.settings, task.meta)
        self._total = total_steps(*self._plan)
        self._state = State(0, task.identity, ground=task.ground)
        self._best: dict[str, dict[str, Tensor]] = {}
        self._asked = _Asked()

    def run(self, resume: Checkpoint | None) -> tuple[Result, ...]:
        """Train to the end. Returns and raises as `fit`."""
        settings, processes = self._task.settings, self._task.processes
        seed_all(settings.seed, processes.index)
        if resume is not None:
            self._restore(resume)
        for learner in self._task.learners:
            processes.share_tensors(learner.component.tensor_references())
        started = time.perf_counter() - self._state.seconds
        self._saved_at = time.monotonic()
        self._task.model.train()
        # The frozen backbone stays free of dropout: its vectors are what the parts are trained on.
        self._task.model.encoder.eval()
        try:
            self._take_steps(started, resume.state.step if resume else -1)
            check_weights([learner for learner in self._task.learners if learner.key not in self._best], self._total)
        except NotFiniteError as error:
            raise self._astray(error, started) from error
        self._restore_best()
        self._task.model.eval()
        seconds = time.perf_counter() - started
        return tuple(self._result(learner, seconds) for learner in self._task.learners)

    def _take_steps(self, started: float, saved: int) -> None:
        """All that are left to take.

        Args:
            saved: the step of the newest checkpoint; -1 for none.
        """
        settings, processes = self._task.settings, self._task.processes
        validates = any(learner.validation for learner in self._task.learners)
        ended = False
        for rows in self._remaining(self._state.step):
            metrics = self._step(rows, started)
            step = self._state.step
            if processes.is_main:
                self._observer.stepped(step, {**metrics, **memory_used()})
            if validates and self._is_evaluation(step, rows.ends_epoch):
                ended = self._validate(step)
            self._state = replace(self._state, seconds=time.perf_counter() - started)
            every = settings.checkpoint_every
            due = self._asked.checkpoint or bool(every and step % every == 0)
            if due and step < self._total and not ended:
                self._checkpoint()
                saved = step
            if ended:
                break
            # Alone it asks at the end of the step; several must hear of it while they talk.
            stopped = self._stop() if processes.count == 1 and step < self._total else self._asked.stop
            if step < self._total and stopped:
                if saved != step:
                    self._checkpoint()
                raise Interrupted(step, self._total)

    def _restore_best(self) -> None:
        for learner in self._task.learners:
            if learner.key in self._best:
                learner.component.load_tensors(self._best[learner.key])

    def _astray(self, error: NotFiniteError, started: float) -> AstrayError:
        """The error that ends the run, once the learners are as they were in their best validations."""
        self._restore_best()
        self._task.model.eval()
        seconds = time.perf_counter() - started
        kept = [learner.key in self._best for learner in self._task.learners]
        results = [
            self._kept(learner, seconds) if is_kept else None
            for learner, is_kept in zip(self._task.learners, kept, strict=True)
        ]
        return AstrayError(error.what if error.where is None else f"{error.what} ({error.where})", results)

    def _kept(self, learner: Learner, seconds: float) -> Result:
        state, key = self._state, learner.key
        return Result(state.step, seconds, state.rows.get(key, 0), state.scores.get(key, {}))

    def keep(self) -> Path:
        """Write a checkpoint of the run as it has ended, by this process alone: what goes on from it is at its end.

        Raises:
            UserError: it cannot be written.
        """
        try:
            return self._save([random_state()])
        except UserError:
            # Those before the newest are of no more use, and may be in the way on a full disk.
            superseded = checkpoints(self._task.checkpoints)[:-1]
            if not superseded:
                raise
            for path in superseded:
                take_away(path)
            return self._save([random_state()])

    def _result(self, learner: Learner, seconds: float) -> Result:
        without: Mapping[str, float] = {}
        if learner.validation:
            without = self._on_main(learner.objective.scores_without, learner)
        return replace(self._kept(learner, seconds), without=without)

    def _remaining(self, taken: int) -> Iterator[StepRows]:
        """The steps still to take."""
        if self._has_waited_enough():
            return iter(())
        return itertools.islice(planned_steps(*self._plan), taken, self._total)

    def _step(self, rows: StepRows, started: float) -> dict[str, float]:
        task, settings, step = self._task, self._task.settings, self._state.step
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * learning_rate_factor(step, self._total, settings.schedule, settings.warmup)
        seen = [sum(len(indices) for indices in column) for column in zip(*rows.passes, strict=True)]
        figures: list[dict[str, float]] = [{} for _ in task.learners]
        processes = task.processes
        shares = dealt(rows.passes, processes.index, processes.count)
        learn = self._passes.add if task.meta is None else self._passes.add_task
        pieces = sum(
            learn(indices, own, seen, figures)
            for indices, own in zip(rows.passes, shares, strict=True)
            if self._sharded or any(own)
        )
        figures, pieces = self._agree(figures, pieces)
        for learner, own in zip(task.learners, figures, strict=True):
            if not math.isfinite(own.get("loss", 0.0)):
                whose = f" of {learner.key}" if len(task.learners) > 1 else ""
                raise NotFiniteError(f"the loss{whose} is {own['loss']} at step {step + 1}")
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

    def _agree(self, figures: list[dict[str, float]], pieces: int) -> tuple[list[dict[str, float]], int]:
        """Sum gradients and figures over the processes, and hear what any of them was asked."""
        minutes, main = self._task.settings.checkpoint_minutes, self._task.processes.is_main
        alone = self._task.processes.count == 1
        asked = _Asked(
            not alone and self._stop(), main and bool(minutes) and time.monotonic() - self._saved_at >= 60 * minutes
        )
        present = [index for index, tensor in enumerate(self._trained) if tensor.grad is not None]
        heard = self._task.processes.gather((figures, pieces, asked, present))
        self._asked = _Asked(any(one.stop for *_, one, _ in heard), any(one.checkpoint for *_, one, _ in heard))
        self._task.processes.sum_gradients(self._trained, [own for *_, own in heard])
        if len(heard) == 1:
            return figures, pieces
        summed: list[dict[str, float]] = [{} for _ in figures]
        for others, *_ in heard:
            for total, own in zip(summed, others, strict=True):
                for name, figure in own.items():
                    total[name] = total.get(name, 0.0) + figure
        return summed, sum(count for _, count, *_ in heard)

    def _on_main(self, score: Scoring, learner: Learner) -> dict[str, float]:
        """Scores of held-out rows, computed by the main process for all."""

        def compute() -> dict[str, float]:
            with self._accelerator.autocast():
                return dict(score(self._task.model, learner.validation))

        if self._sharded:
            # The layers are where all processes go through them together.
            scores = compute()
            return self._task.processes.from_main(lambda: scores)
        return self._task.processes.from_main(compute)

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
        check_weights(task.learners, step)
        validated = [learner for learner in task.learners if learner.validation]
        scores = [self._on_main(learner.objective.scores, learner) for learner in validated]
        task.model.train()
        task.model.encoder.eval()
        several = len(task.learners) > 1
        named = {
            f"{learner.key}/{name}" if several else name: score
            for learner, own in zip(validated, scores, strict=True)
            for name, score in own.items()
        }
        if task.processes.is_main:
            self._observer.evaluated(step, named)
        for learner, own in zip(validated, scores, strict=True):
            self._keep_best(learner, own)
        return self._has_waited_enough()

    def _has_waited_enough(self) -> bool:
        patience = self._task.settings.patience
        validated = [learner.key for learner in self._task.learners if learner.validation]
        return (
            patience is not None
            and bool(validated)
            and all(self._state.waited.get(key, 0) >= patience for key in validated)
        )

    def _keep_best(self, learner: Learner, scores: dict[str, float]) -> None:
        state, key = self._state, learner.key
        score = main_score(scores, learner)
        if self._task.keeps_last or is_gain(score, state.best.get(key), learner):
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
        check_weights(task.learners, self._state.step)
        random = task.processes.gather(random_state())
        if task.processes.is_main:
            self._save(random)
        # A process that went on alone could be at its end, and end all, while this is still being written.
        task.processes.gather(None)
        self._saved_at = time.monotonic()

    def _save(self, random: list[Any]) -> Path:
        task = self._task
        return save_checkpoint(
            task.checkpoints,
            self._state,
            {learner.key: learner.component.tensors() for learner in task.learners},
            self._best,
            {"optimiser": self._optimiser.state_dict(), "scaler": self._scaler_state(), "random": random},
            task.settings.keep_checkpoints,
        )

    def _scaler_state(self) -> dict[str, Any]:
        scaler = self._accelerator.scaler
        return {} if scaler is None else dict(scaler.state_dict())

    def _restore(self, checkpoint: Checkpoint) -> None:
        for learner in self._task.learners:
            try:
                learner.component.load_tensors(checkpoint.tensors[learner.key])
            except (KeyError, ValueError, NotFiniteError) as error:
                reason = error.what if isinstance(error, NotFiniteError) else error.args[0]
                what = f"the checkpoint of step {checkpoint.state.step} cannot be gone on from: {reason}"
                fix = "start anew, without --resume"
                raise ComponentError(what, where=str(self._task.checkpoints), fix=fix) from error
        self._optimiser.load_state_dict(checkpoint.running["optimiser"])
        if self._accelerator.scaler is not None and checkpoint.running["scaler"]:
            self._accelerator.scaler.load_state_dict(checkpoint.running["scaler"])
        processes, random = self._task.processes, checkpoint.running["random"]
        if len(random) == processes.count:
            set_random_state(random[processes.index])
        else:
            # As many processes as before are the same run to the bit; with others it goes on with other noise.
            seed_all(self._task.settings.seed + checkpoint.state.step, processes.index)
        self._state = checkpoint.state
        self._best = {key: dict(tensors) for key, tensors in checkpoint.best.items()}

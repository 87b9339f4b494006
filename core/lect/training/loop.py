"""The training loop: steps, accumulation, schedule, clipping, validation, checkpoints. No languages."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lect.composition.finite import NotFiniteError
from lect.composition.model import RoutedModel
from lect.data.examples import Example
from lect.device import memory_used
from lect.errors import ComponentError, Interrupted, UserError
from lect.leftovers import take_away
from lect.training.best import BestValidations, DivergedError, check_weights
from lect.training.callbacks.base import Callback, Callbacks
from lect.training.checkpoint import Checkpoint, checkpoints, save_checkpoint
from lect.training.distributed.sharding import is_sharded, shard_backbone
from lect.training.joint import JointLosses
from lect.training.optimisation import clip_gradients, learning_rate_factor, make_accelerator, make_optimiser
from lect.training.passes import Passes
from lect.training.randomness import random_state, seed_all, set_random_state
from lect.training.sampling import StepRows, rows_of_process
from lect.training.setup import TrainedComponent, TrainingResult, TrainingSetup

Scoring = Callable[[RoutedModel, Sequence[Example]], Mapping[str, float]]


@dataclass(frozen=True)
class _Requests:
    """What a process was asked for while it took a step: to interrupt the run, to end it, or to write a checkpoint."""

    stop: bool = False
    end: bool = False
    checkpoint: bool = False


class TrainingLoop:
    """One run of the loop.

    Args:
        callbacks: called at each event but the run's start and end, which `execute_run` announces.
        stop: called after every step; where it gives True, the run is interrupted after a checkpoint.
    """

    def __init__(self, setup: TrainingSetup, callbacks: Callbacks, stop: Callable[[], bool]) -> None:
        self._setup, self._callbacks, self._stop = setup, callbacks, stop
        self._accelerator = make_accelerator(setup.precision)
        for parameter in setup.model.parameters():
            parameter.requires_grad_(False)
        for component in setup.components:
            for parameter in component.parameters.values():
                parameter.requires_grad_(True)
        module = JointLosses(setup.model, setup.encoder, [component.objective for component in setup.components])
        # Not wrapped for several processes: `Processes` sums the gradients, and says why.
        losses = self._accelerator.prepare_model(module, evaluation_mode=True)
        self._sharded = is_sharded()
        if self._sharded:
            shard_backbone(setup.model, len(setup.components), self._accelerator.device)
        self._by_component = {component.key: component.parameters for component in setup.components}
        optimiser = make_optimiser([(component.parameters, component.settings) for component in setup.components])
        self._optimiser = self._accelerator.prepare_optimizer(optimiser)
        self._rates = [group["lr"] for group in self._optimiser.param_groups]
        self._trained = [tensor for parameters in self._by_component.values() for tensor in parameters.values()]
        self._passes = Passes(setup, self._accelerator, losses, self._trained, callbacks)
        self._total = setup.plan.total
        self._best = BestValidations(setup)
        self._step = 0
        self._rows = {component.key: 0 for component in setup.components}
        self._seconds = 0.0
        self._without: dict[str, float] | None = None
        self._has_ended = False
        self._asked = _Requests()

    def run(self, resume: Checkpoint | None) -> tuple[TrainingResult, ...]:
        """Train the components in place; one result each.

        Args:
            resume: where to go on from.

        Raises:
            Interrupted: `stop` said so.
            DivergedError: the loss, a weight or a validation score is no longer a finite number; the components are as
                they were in their best validations before, where there were any.
            CallbackError: a callback has failed.
        """
        setup = self._setup
        seed_all(setup.settings.seed, setup.processes.index)
        if resume is not None:
            self._restore(resume)
        for component in setup.components:
            setup.processes.share_tensors(component.component.tensor_references())
        started = time.perf_counter() - self._seconds
        self._saved_at = time.monotonic()
        setup.model.train()
        # No dropout in the frozen backbone: parts are trained on the hidden states that they will see later.
        setup.model.encoder.eval()
        try:
            self._take_steps(started, saved=self._step if resume else -1)
            check_weights([one for one in setup.components if one.key not in self._best.tensors], self._total)
        except NotFiniteError as error:
            raise self._diverged(error, started) from error
        self._best.restore_best()
        setup.model.eval()
        seconds = time.perf_counter() - started
        return tuple(self._result(component, seconds) for component in setup.components)

    def keep(self) -> Path:
        """Write a checkpoint of the finished run, by this process alone: a run that resumes from it ends at once.

        Raises:
            UserError: it cannot be written.
        """
        self._has_ended = True
        try:
            return self._save([random_state()])
        except UserError:
            # On a full disk, older checkpoints make room; only the newest is still of use.
            superseded = checkpoints(self._setup.checkpoints)[:-1]
            if not superseded:
                raise
            for path in superseded:
                take_away(path)
            return self._save([random_state()])

    # ------------------------------------------------------------------------------------------------------- steps

    def _take_steps(self, started: float, saved: int) -> None:
        """Take the steps that are left.

        Args:
            saved: the step of the newest checkpoint; -1 for none.
        """
        settings, tell = self._setup.settings, self._callbacks.tell
        current = 0
        for epoch, rows in self._remaining():
            if epoch != current:
                current = epoch
                tell(Callback.epoch_started, epoch)
            metrics = self._take_step(rows, started)
            step = self._step
            if self._callbacks:
                metrics |= memory_used()
                tell(Callback.step_finished, step, metrics)
            is_last = step == self._total or self._should_end()
            if is_last or self._is_validation(step, rows.ends_epoch):
                self._validate()
                is_last = is_last or self._should_end() or self._best.patience_is_over
            self._seconds = time.perf_counter() - started
            every = settings.checkpoint_every
            due = self._asked.checkpoint or bool(every and step % every == 0)
            if due and not is_last:
                self._checkpoint()
                saved = step
            if rows.ends_epoch:
                tell(Callback.epoch_ended, epoch)
            if is_last:
                break
            # A single process asks here; several have agreed on it in `_agree`, or some would go on without the others.
            if self._stop() if self._setup.processes.count == 1 else self._asked.stop:
                if saved != step:
                    self._checkpoint()
                raise Interrupted(step, self._total)

    def _remaining(self) -> Iterator[tuple[int, StepRows]]:
        """The steps still to take, with their epochs."""
        return iter(()) if self._has_ended or self._best.patience_is_over else self._setup.plan.after(self._step)

    def _should_end(self) -> bool:
        """Whether a callback ends the run after this step."""
        return self._asked.end if self._setup.processes.count > 1 else self._callbacks.stop_reason is not None

    def _take_step(self, rows: StepRows, started: float) -> dict[str, float]:
        """Take an optimiser step; returns its figures."""
        setup, settings, step = self._setup, self._setup.settings, self._step + 1
        self._callbacks.tell(Callback.step_started, step)
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * learning_rate_factor(self._step, self._total, settings.schedule, settings.warmup)
        seen = [sum(len(indices) for indices in column) for column in zip(*rows.passes, strict=True)]
        figures: list[dict[str, float]] = [{} for _ in setup.components]
        shares = rows_of_process(rows.passes, setup.processes.index, setup.processes.count)
        add = self._passes.add if setup.meta is None else self._passes.add_task
        tokens = sum(
            add(step, indices, own, seen, figures)
            for indices, own in zip(rows.passes, shares, strict=True)
            if self._sharded or any(own)
        )
        figures, tokens = self._agree(figures, tokens)
        for component, own in zip(setup.components, figures, strict=True):
            if not math.isfinite(own.get("loss", 0.0)):
                whose = f" of {component.key}" if len(setup.components) > 1 else ""
                raise NotFiniteError(f"the loss{whose} is {own['loss']} at step {step}")
        # Those of float16 are scaled until here.
        self._accelerator.unscale_gradients()
        self._callbacks.tell(Callback.gradients_ready, step, self._by_component)
        if settings.clip:
            clip_gradients(self._by_component.values(), settings.clip)
        self._optimiser.step()
        for component in setup.components:
            for part in component.component.parts.values():
                part.after_step(step, self._total)
        self._optimiser.zero_grad(set_to_none=True)
        self._step = step
        for component, count in zip(setup.components, seen, strict=True):
            self._rows[component.key] += count
        seconds = time.perf_counter() - started
        rate = self._optimiser.param_groups[0]["lr"]
        return {
            **self._named(figures),
            "learning_rate": rate,
            "rows": float(sum(seen)),
            "pieces": float(tokens),
            "seconds": seconds,
        }

    def _agree(self, figures: list[dict[str, float]], tokens: int) -> tuple[list[dict[str, float]], int]:
        """Sum gradients and figures over the processes, and exchange what any of them was asked for."""
        processes, minutes = self._setup.processes, self._setup.settings.checkpoint_minutes
        asked = _Requests(
            stop=processes.count > 1 and self._stop(),
            end=self._callbacks.stop_reason is not None,
            checkpoint=processes.is_main and bool(minutes) and time.monotonic() - self._saved_at >= 60 * minutes,
        )
        present = [index for index, tensor in enumerate(self._trained) if tensor.grad is not None]
        heard = processes.gather((figures, tokens, asked, present))
        each = [one for _, _, one, _ in heard]
        self._asked = _Requests(
            any(one.stop for one in each), any(one.end for one in each), any(one.checkpoint for one in each)
        )
        processes.sum_gradients(self._trained, [own for *_, own in heard])
        if len(heard) == 1:
            return figures, tokens
        summed: list[dict[str, float]] = [{} for _ in figures]
        for others, *_ in heard:
            for total, own in zip(summed, others, strict=True):
                for name, figure in own.items():
                    total[name] = total.get(name, 0.0) + figure
        return summed, sum(count for _, count, *_ in heard)

    def _named(self, figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """The figures of all components in one: those of several with the component's key in front."""
        if len(figures) == 1:
            return dict(figures[0])
        named = {"loss": sum(own.get("loss", 0.0) for own in figures)}
        for component, own in zip(self._setup.components, figures, strict=True):
            named |= {f"{component.key}/{name}": figure for name, figure in own.items()}
        return named

    # -------------------------------------------------------------------------------------------------- validation

    def _is_validation(self, step: int, ends_epoch: bool) -> bool:
        every = self._setup.settings.evaluate_every
        return ends_epoch if every == "epoch" else step % int(every) == 0

    def _validate(self) -> None:
        """Score the validation rows, if there are any, and keep what is the best so far."""
        setup, step = self._setup, self._step
        validated = [component for component in setup.components if component.validation]
        if not validated:
            return
        check_weights(setup.components, step)
        self._callbacks.tell(Callback.validation_started, step)
        scores = [self._on_main(component.objective.scores, component) for component in validated]
        setup.model.train()
        setup.model.encoder.eval()
        several = len(setup.components) > 1
        named = {
            f"{component.key}/{name}" if several else name: score
            for component, own in zip(validated, scores, strict=True)
            for name, score in own.items()
        }
        self._callbacks.tell(Callback.validation_finished, step, named)
        for component, own in zip(validated, scores, strict=True):
            self._best.add(component, own)
        if not several and self._without is None:
            self._callbacks.tell(Callback.scored_without, self._score_without(setup.components[0]))

    def _on_main(self, score: Scoring, component: TrainedComponent) -> dict[str, float]:
        """Scores of held-out rows, computed by the main process for all."""

        def compute() -> dict[str, float]:
            with self._accelerator.autocast(), self._setup.computing():
                return dict(score(self._setup.model, component.validation))

        if self._sharded:
            # The layers are where all processes go through them together.
            scores = compute()
            return self._setup.processes.from_main(lambda: scores)
        return self._setup.processes.from_main(compute)

    def _score_without(self, component: TrainedComponent) -> dict[str, float]:
        """Scores of held-out rows without a component; of one that is trained alone they are the same all the time."""
        if self._without is not None:
            return self._without
        model = self._setup.model
        # A resumed run scores again, and has to draw what it would have drawn.
        drawn, trains = random_state(), model.training
        model.eval()
        without = self._on_main(component.objective.scores_without, component)
        model.train(trains)
        model.encoder.eval()
        set_random_state(drawn)
        if len(self._setup.components) == 1:
            self._without = without
        return without

    def _diverged(self, error: NotFiniteError, started: float) -> DivergedError:
        """The error that ends the run, once the components are as they were in their best validations."""
        self._best.restore_best()
        self._setup.model.eval()
        seconds = time.perf_counter() - started
        results = [
            self._so_far(component.key, seconds) if component.key in self._best.tensors else None
            for component in self._setup.components
        ]
        return DivergedError(error.what if error.where is None else f"{error.what} ({error.where})", results)

    def _result(self, component: TrainedComponent, seconds: float) -> TrainingResult:
        without: Mapping[str, float] = {}
        if component.validation:
            without = self._score_without(component)
        return replace(self._so_far(component.key, seconds), without=without)

    def _so_far(self, key: str, seconds: float) -> TrainingResult:
        return TrainingResult(self._step, seconds, self._rows.get(key, 0), self._best.scores(key))

    # ------------------------------------------------------------------------------------------------- checkpoints

    def _checkpoint(self) -> None:
        processes, step = self._setup.processes, self._step
        check_weights(self._setup.components, step)
        random = processes.gather(random_state())
        # The others wait: one that went on could be at its end, and end all, while this is still being written.
        folder = processes.from_main(lambda: self._save(random))
        self._saved_at = time.monotonic()
        self._callbacks.tell(Callback.checkpoint_written, step, folder)

    def _save(self, random: list[Any]) -> Path:
        setup, scaler = self._setup, self._accelerator.scaler
        state = self._best.state(self._step, self._seconds, self._rows)
        return save_checkpoint(
            setup.checkpoints,
            replace(state, has_ended=self._has_ended),
            {component.key: component.component.tensors() for component in setup.components},
            self._best.tensors,
            {
                "optimiser": self._optimiser.state_dict(),
                "scaler": {} if scaler is None else dict(scaler.state_dict()),
                "random": random,
                "callbacks": self._callbacks.state_dict(),
            },
            setup.settings.keep_checkpoints,
        )

    def _restore(self, checkpoint: Checkpoint) -> None:
        setup, state = self._setup, checkpoint.state
        for component in setup.components:
            try:
                component.component.load_tensors(checkpoint.tensors[component.key])
            except (KeyError, ValueError, NotFiniteError) as error:
                reason = error.what if isinstance(error, NotFiniteError) else error.args[0]
                what = f"the checkpoint of step {state.step} cannot be gone on from: {reason}"
                fix = "start anew, without --resume"
                raise ComponentError(what, where=str(setup.checkpoints), fix=fix) from error
        self._optimiser.load_state_dict(checkpoint.running["optimiser"])
        if self._accelerator.scaler is not None and checkpoint.running["scaler"]:
            self._accelerator.scaler.load_state_dict(checkpoint.running["scaler"])
        processes, random = setup.processes, checkpoint.running["random"]
        if len(random) == processes.count:
            set_random_state(random[processes.index])
        else:
            # As many processes as before are the same run to the bit; with others it goes on with other noise.
            seed_all(setup.settings.seed + state.step, processes.index)
        self._step, self._seconds, self._has_ended = state.step, state.seconds, state.has_ended
        self._rows |= state.rows
        self._best.restore(state, checkpoint.best)
        self._callbacks.load_state_dict(checkpoint.running["callbacks"])
        self._callbacks.tell(Callback.checkpoint_loaded, state.step)

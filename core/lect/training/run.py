"""A prepared run, executed: trained with its callbacks, and its components written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lect.composition.component import Component
from lect.errors import Interrupted, RecipeError
from lect.files import write_aside
from lect.installed import version_lines
from lect.objectives import score_direction
from lect.runs import Outcome
from lect.scores import Direction
from lect.storage.store import try_place
from lect.training.best import DivergedError, judged_by
from lect.training.callbacks.base import Callback, Callbacks
from lect.training.callbacks.dashboard import Dashboard
from lect.training.callbacks.recording import MetricsFile, PluginHooks
from lect.training.callbacks.trackers import Trackers, check_trackers
from lect.training.checkpoint import checkpoints, load_checkpoint
from lect.training.compiled import compile_model
from lect.training.finish import keep_best, write_all
from lect.training.frozen import states_kept
from lect.training.holding import run_alone
from lect.training.interrupt import stop_on_interrupt
from lect.training.loop import TrainingLoop
from lect.training.manifest import hardware_name
from lect.training.prepare import TrainingRun
from lect.training.setup import TrainingResult
from lect.visible import visible

_ENDS = {
    "finished": Callback.run_finished,
    "interrupted": Callback.run_interrupted,
    "failed": Callback.run_failed,
}


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A component that a run has trained and written.

    Args:
        parameters: the number of trained ones.
        precision: the number format, and why it was taken.
    """

    key: str
    folder: Path
    result: TrainingResult
    parameters: int
    precision: str


def execute_run(
    run: TrainingRun,
    *,
    console: Console,
    resume: bool = False,
    name: str | None = None,
    callbacks: Sequence[Callback] = (),
) -> tuple[Trained, ...]:
    """Train and write the components, or leave a checkpoint; a run is executed once.

    Each component is written whole or not at all, whatever becomes of the others. Where one cannot be written, what
    was learned stays in the run's folder as a checkpoint.

    Args:
        resume: go on from the newest checkpoint of the run's folder.
        name: what the progress display calls the run.
        callbacks: called at the run's events, after those that every run has.

    Raises:
        Interrupted: stopped by Ctrl-C; a checkpoint is there to go on from.
        RecipeError: there is nothing to resume, or it belongs to another recipe.
        CallbackError: a callback has failed.
        UserError: another run is going on in this run's folder, or a place cannot be written to.
    """
    is_main = run.setup.processes.is_main
    if is_main:
        check_trackers(run.recipe.training.trackers)

    def warn(text: str) -> None:
        console.print(f"warning: {visible(text)}", soft_wrap=True, markup=False)

    recording: list[Callback] = []
    if is_main:
        settings, keys = run.recipe.training, [component.key for component in run.components]
        title = name or (keys[0] if len(keys) == 1 else f"{len(keys)} components")
        judged = _judged(run)
        recording = [
            PluginHooks(run.host),
            Dashboard(console, title, judged),
            MetricsFile(run.folder / "metrics.jsonl", settings.log_every, warn, judged),
        ]
        recording += [Trackers(settings.trackers, settings.log_every)] if settings.trackers else []
    told = Callbacks([*recording, *callbacks], is_main, warn)
    with run_alone(run.folder) if is_main else nullcontext():
        return _execute(run, told, console, resume)


def _judged(run: TrainingRun) -> dict[str, Direction]:
    """The score that each component is judged by, as callbacks are told of it, and which way it is better."""
    components = run.setup.components
    return {
        f"{component.key}/{judged_by(component)}" if len(components) > 1 else judged_by(component): score_direction(
            component.objective, judged_by(component)
        )
        for component in components
    }


def _execute(run: TrainingRun, callbacks: Callbacks, console: Console, resume: bool) -> tuple[Trained, ...]:
    setup, processes = run.setup, run.setup.processes
    model, kept, precision = setup.model, setup.checkpoints, setup.precision
    # Other machines need not see the main one's disk.
    checkpoint = None
    if resume:
        checkpoint = processes.from_main(lambda: load_checkpoint(kept, setup.legacy_hash, setup.fingerprint))
        if checkpoint is None:
            raise RecipeError("there is no checkpoint to resume", where=str(kept), fix="leave out --resume")
    info = run.info
    model.checkpoints_layers = setup.settings.gradient_checkpointing
    if setup.settings.compile:
        problem = compile_model(model, setup.encoder, [component.stack for component in setup.components])
        if problem:
            console.print(f"Not compiled: {visible(str(problem))}. Training goes on without.", markup=False)
    if processes.is_main:
        if not resume and checkpoints(kept):
            text = f"Starting anew; checkpoints of an earlier run lie in {kept} until this one writes its own."
            console.print(visible(text), markup=False)
        for inputs, trained in zip(run.inputs, setup.components, strict=True):
            place = run.library.save_folder(inputs.recipe.component.role, inputs.recipe.component.name)
            try_place(place, _bytes(trained.component))
        write_aside(run.folder / "recipe.toml", run.text)
        lines = (f"{hardware_name()}, {setup.precision.name}", *version_lines())
        write_aside(run.folder / "environment.txt", "".join(f"{line}\n" for line in lines))
    started = time.perf_counter()
    done = checkpoint.state.step if checkpoint else 0
    outcome = Outcome("failed", done, 0.0)
    try:
        callbacks.tell(Callback.run_started, info, done)
        with stop_on_interrupt(console) as stop, states_kept(setup, run.inputs):
            loop = TrainingLoop(setup, callbacks, stop)
            results = loop.run(checkpoint)
        folders = processes.from_main(lambda: write_all(run, loop, results))
        outcome = Outcome("finished", results[0].steps, results[0].seconds, components=folders)
    except DivergedError as diverged:
        outcome = Outcome("failed", done, time.perf_counter() - started, error=diverged)
        error = diverged
        raise processes.from_main(lambda: keep_best(run, error)) from diverged
    except Interrupted as interruption:
        outcome = Outcome("interrupted", interruption.step, time.perf_counter() - started, error=interruption)
        raise
    except BaseException as error:
        outcome = Outcome("failed", done, time.perf_counter() - started, error=error)
        raise
    finally:
        callbacks.tell_all(_ENDS[outcome.status], outcome)
        callbacks.tell_all(Callback.close)
        # The backbone may be shared with the next run.
        model.checkpoints_layers, model.compiled = False, None
        model.detach_all()
    if callbacks.stop_reason is not None and processes.is_main:
        console.print(f"Ended after step {results[0].steps}: {visible(callbacks.stop_reason)}.", markup=False)
    return tuple(
        Trained(
            key=component.key,
            folder=folder,
            result=result,
            parameters=sum(parameter.numel() for parameter in component.parameters.values()),
            precision=f"{precision.name}: {precision.reason}",
        )
        for component, folder, result in zip(setup.components, folders, results, strict=True)
    )


def _bytes(component: Component) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in component.tensor_references().values())

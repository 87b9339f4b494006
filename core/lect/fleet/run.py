"""A fleet at work: what is done already is left alone, the rest is run, and of each language is told what became of it.

Nothing is noted down beside the components and the runs' own folders: a component of exactly this recipe is finished,
and a run of exactly this recipe with a checkpoint goes on from it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lect.errors import ComponentError
from lect.fleet.plan import LanguageRun
from lect.recipes.schema import OutputTable
from lect.runs import Job, JobEvent
from lect.specs import ExecutorSpec
from lect.storage.library import Library
from lect.storage.manifest import Manifest
from lect.storage.store import WEIGHTS, read_folder_manifest

if TYPE_CHECKING:
    from pydantic import BaseModel

Status = Literal["waiting", "running", "finished", "kept", "stopped", "failed"]
"""Where a language stands; ``kept`` is finished by an earlier fleet."""

_INTERRUPTED = 130


@dataclass(frozen=True)
class LanguageStatus:
    """What became of one language.

    Args:
        resumed: whether it went on from a checkpoint.
        error: why it failed, in one line.
        where: the machine it ran on, where that is another one.
    """

    run: LanguageRun
    status: Status
    manifest: Manifest | None = None
    folder: Path | None = None
    log: Path | None = None
    resumed: bool = False
    error: str = ""
    where: str = ""


def look(
    runs: Sequence[LanguageRun], library: Library, logs: Path, *, again: bool = False
) -> tuple[LanguageStatus, ...]:
    """Where each language stands before anything is run.

    Args:
        logs: the folder for what the runs print.
        again: whether all is to be trained anew.
    """
    statuses = []
    for run in runs:
        log = logs / f"{run.language}.log"
        manifest = None if again else finished(run, library)
        if manifest is not None:
            statuses.append(LanguageStatus(run, "kept", manifest, _place(run, library)))
        else:
            statuses.append(LanguageStatus(run, "waiting", log=log, resumed=not again and can_resume(run)))
    return tuple(statuses)


def run_fleet(
    statuses: Sequence[LanguageStatus],
    recipe: Path,
    executor: ExecutorSpec,
    config: BaseModel,
    library: Library,
    *,
    at_once: int | None = None,
    options: Sequence[str] = (),
    block: Sequence[str] = (),
    told: Callable[[LanguageStatus], None] = lambda status: None,
) -> tuple[LanguageStatus, ...]:
    """Run what waits, and say where each language stands then.

    Ctrl-C stops the runs, each with a checkpoint; those are ``stopped`` then, and what did not begin still waits.

    Args:
        options: further options of ``lect train``.
        block: plugins not to load.
        told: of each language as it starts and ends.

    Raises:
        UserError: the executor's, where there is no such cluster.
    """
    state = {status.run.language: status for status in statuses}
    jobs = [_job(status, recipe, options, block) for status in statuses if status.status == "waiting"]
    events = iter(executor.run(config, jobs, at_once)) if jobs else iter(())
    try:
        for event in events:
            status = _after(state[event.job.name], event, library)
            state[event.job.name] = status
            told(status)
    except KeyboardInterrupt:
        for language, status in state.items():
            if status.status == "running":
                state[language] = replace(status, status="stopped")
    finally:
        # Where it was `told` that failed, the executor has yet to learn of it.
        if close := getattr(events, "close", None):
            close()
    return tuple(state.values())


def finished(run: LanguageRun, library: Library) -> Manifest | None:
    """The manifest of the component that this very recipe has made already."""
    folder = _place(run, library)
    try:
        manifest = read_folder_manifest(folder)
    except ComponentError:
        return None
    training = manifest.training
    text = run.recipe.model_copy(update={"output": OutputTable()}).to_toml()
    if training is None or training.mixed is not None or training.recipe != text or not (folder / WEIGHTS).is_file():
        return None
    return manifest


def can_resume(run: LanguageRun) -> bool:
    """Whether a run of this very recipe has left a checkpoint."""
    from lect.training.checkpoint import checkpoints

    try:
        noted = (run.folder / "recipe.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return noted == run.recipe.to_toml() and bool(checkpoints(run.folder / "checkpoints"))


def _place(run: LanguageRun, library: Library) -> Path:
    return library.save_folder(run.recipe.component.role, run.recipe.component.name)


def _job(status: LanguageStatus, recipe: Path, options: Sequence[str], block: Sequence[str]) -> Job:
    changes = [word for change in status.run.changes for word in ("--set", change)]
    resume = ["--resume"] if status.resumed else []
    blocked = [word for plugin in block for word in ("--no-plugin", plugin)]
    assert status.log is not None
    here = Path.cwd()
    return Job(
        name=status.run.language,
        arguments=(*blocked, "train", str(recipe), *changes, *resume, *options),
        folder=here,
        log=here / status.log,
        environment={name: value for name, value in os.environ.items() if name.startswith(_HANDED_ON)},
    )


# What decides where things lie and whether they are looked for on the network must be the same on every machine.
_HANDED_ON = ("LECT_", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def _after(status: LanguageStatus, event: JobEvent, library: Library) -> LanguageStatus:
    if event.code is None and not event.error:
        return replace(status, status="running")
    status = replace(status, where=event.where)
    if event.code == _INTERRUPTED:
        return replace(status, status="stopped")
    if event.code != 0:
        return replace(status, status="failed", error=event.error or _reason(status.log, event.code))
    manifest, place = finished(status.run, library), _place(status.run, library)
    if manifest is None:
        what = f"it ended well, but its component is not in {place}: the machines do not see the same folders"
        return replace(status, status="failed", error=what)
    return replace(status, status="finished", manifest=manifest, folder=place)


def _reason(log: Path | None, code: int | None) -> str:
    """The last error that a run printed, else its last line."""
    ended = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log else []
    except OSError:
        lines = []
    if code is not None and code < 0:
        return ended
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    spoken = [line.strip() for line in lines if line.strip()]
    return errors[-1] if errors else f"{ended}: {spoken[-1]}" if spoken else ended

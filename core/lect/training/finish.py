"""What a run leaves at its end: its components in the library; in its own folder whatever cannot stand there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lect.errors import UserError
from lect.storage.library import Library
from lect.training.best import DivergedError
from lect.training.loop import TrainingLoop
from lect.training.manifest import write_trained
from lect.training.prepare import TrainingRun
from lect.training.setup import TrainingResult


def write_all(run: TrainingRun, loop: TrainingLoop, results: Sequence[TrainingResult]) -> tuple[Path, ...]:
    """Write the trained components into the library; returns their folders.

    Raises:
        Exception: what the first one that could not be written raised. The others are written, and all that was learned
            is in a checkpoint that the run can be finished from; a `UserError` says so.
    """
    folders: list[Path] = []
    problem: Exception | None = None
    for index, result in enumerate(results):
        try:
            folders.append(write_trained(run, index, result))
        except Exception as error:
            # What the others have learned is not lost with it.
            problem = problem or error
    if problem is not None:
        raise _with_all_kept(problem, loop)
    return tuple(folders)


def keep_best(run: TrainingRun, error: DivergedError) -> UserError:
    """The error, once the components as they were in their best validations lie in the run's folder.

    Not in the library: there may be a better one of an earlier run.
    """
    aside = replace(run, library=Library((run.folder / "best",)))
    folders = [write_trained(aside, index, result) for index, result in enumerate(error.results) if result is not None]
    if not folders:
        return UserError(error.what, where=error.where, fix=error.fix)
    said = ", ".join(map(str, folders))
    what = f"{error.what}; what was learned until the best validation before is kept in {said}"
    return UserError(what, where=error.where, fix=error.fix)


def _with_all_kept(problem: Exception, loop: TrainingLoop) -> Exception:
    """What went wrong at the very end, and where what was learned is then."""
    try:
        kept = loop.keep()
    except Exception:
        return problem
    if not isinstance(problem, UserError | OSError):
        return problem
    fix = f"mend that, then finish with --resume: all that was learned is in {kept}"
    if isinstance(problem, OSError):
        return UserError((problem.strerror or str(problem)).lower(), where=problem.filename, fix=fix)
    return type(problem)(problem.what, where=problem.where, fix=f"{problem.fix}; {fix}" if problem.fix else fix)

"""Experiment trackers, as Accelerate knows them: where a run's figures go beside `metrics.jsonl`."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from lect.errors import RecipeError
from lect.runs import RunInfo
from lect.training.callbacks.base import Callback

PACKAGES: Mapping[str, tuple[str, str]] = {
    "tensorboard": ("tensorboard", "tensorboard"),
    "trackio": ("trackio", "trackio"),
    "wandb": ("wandb", "wandb"),
    "mlflow": ("mlflow", "mlflow"),
}
"""By tracker, the module it needs and the distribution that has it."""


def check_trackers(names: Sequence[str]) -> None:
    """See that the packages of these trackers are there.

    Raises:
        RecipeError: one is missing; the message says what to install.
    """
    for name in names:
        module, distribution = PACKAGES[name]
        if importlib.util.find_spec(module) is None:
            raise RecipeError(
                f'the tracker "{name}" needs a package that is not installed',
                where="training.trackers",
                fix=f"pip install {distribution}, or leave it out",
            )


class Trackers(Callback):
    """Hands figures on to trackers; they write into the run's folder where they write files.

    Args:
        every: steps between two figures.
    """

    def __init__(self, names: Sequence[str], every: int) -> None:
        self._names, self._every = names, every
        self._open: list[Any] = []

    def run_started(self, run: RunInfo, step: int) -> None:
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        for name in self._names:
            kind = LOGGER_TYPE_TO_CLASS[name]
            # Those without a folder group their runs by a project.
            folder = run.folder.absolute()
            if kind.requires_logging_directory:
                tracker = kind(folder.name, folder.parent)
            else:
                tracker = kind(f"{run.role}-{run.name}")
            tracker.start()
            tracker.store_init_configuration(_flat(run.recipe))
            self._open.append(tracker)

    def close(self) -> None:
        for tracker in self._open:
            tracker.finish()

    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        if step % self._every == 0 or step == 1:
            self._log({f"train/{name}": value for name, value in metrics.items()}, step)

    def validation_finished(self, step: int, scores: Mapping[str, float]) -> None:
        self._log({f"validation/{name}": value for name, value in scores.items()}, step)

    def _log(self, values: Mapping[str, float], step: int) -> None:
        for tracker in self._open:
            tracker.log(dict(values), step=step)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names, as trackers show them: numbers, truths and text."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, (list, tuple)):
            flat |= _flat({str(index): one for index, one in enumerate(value)}, f"{prefix}{name}.")
        elif value is not None:
            flat[f"{prefix}{name}"] = value if isinstance(value, (bool, int, float)) else str(value)
    return flat

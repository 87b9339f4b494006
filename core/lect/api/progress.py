"""How far a training from Python is: a bar in a terminal, else a line now and then, as notebooks and logs can show."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from rich.console import Console

from lect.training.callbacks.base import Callback
from lect.visible import visible

if TYPE_CHECKING:
    from lect.runs import RunInfo

_SECONDS = 10.0
_LINES = 10
"""A line is printed each tenth of a run, and where that takes long every so many seconds."""


def progress_console() -> Console:
    """A console on standard error; it is no terminal in a notebook, whatever that says of itself."""
    terminal = False if in_notebook() else None
    return Console(
        stderr=True, markup=False, emoji=False, highlight=False, force_jupyter=False, force_terminal=terminal
    )


def in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this, in which nothing that moves is shown well."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


def ask_for_no_widgets() -> None:
    """Import what would warn, in a notebook without ipywidgets, that there are none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import tqdm.auto  # noqa: F401


class ProgressLines(Callback):
    """Prints where a run is, a line now and then.

    Args:
        stream: by default standard error as it is when a line is printed, which is the cell's in a notebook.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._name, self._total, self._first = "", 0, 0
        self._started = self._printed = 0.0
        self._score = ""

    def run_started(self, run: RunInfo, step: int) -> None:
        """Remember when."""
        self._name, self._total, self._first = f"{run.role}:{run.name}", run.total_steps, step
        self._started = self._printed = time.monotonic()

    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        """Print a line where one is due."""
        now = time.monotonic()
        due = step == self._total or step % max(1, self._total // _LINES) == 0 or now - self._printed > _SECONDS
        if not due or (now - self._printed < 1 and step < self._total):
            return
        self._printed = now
        left = (now - self._started) / max(1, step - self._first) * (self._total - step)
        said = f"{self._name}  {step:,}/{self._total:,}  loss {metrics['loss']:.3f}{self._score}  {left:.0f} s left"
        print(visible(said), file=self._stream or sys.stderr, flush=True)

    def validation_finished(self, step: int, scores: Mapping[str, float]) -> None:
        """Show the first score from now on."""
        name, value = next(iter(scores.items()), ("", 0.0))
        self._score = f"  {name} {value:.3f}" if name else ""

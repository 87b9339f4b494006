"""What every run records: `metrics.jsonl`, and what the plugins' lifecycle hooks are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.files import write_aside
from lect.training.callbacks.base import Callback

if TYPE_CHECKING:
    from lect.host import Host
    from lect.runs import Outcome, RunInfo
    from lect.scores import Direction


class MetricsFile(Callback):
    """`metrics.jsonl`: one JSON object a step or validation; a resumed run drops what lies after its checkpoint.

    A log is no reason to lose a run: lines that cannot be written wait in memory until they can, and that is told once.

    Args:
        every: steps between two lines.
        tell: called with what is to be told.
        judged: the scores that say which validation is the best one, and which way they are better.
    """

    def __init__(
        self,
        path: Path,
        every: int,
        tell: Callable[[str], None] = lambda text: None,
        judged: Mapping[str, Direction] | None = None,
    ) -> None:
        self._path, self._every, self._tell, self._judged = path, every, tell, dict(judged or {})
        self._file: FileIO | None = None
        self._whole = 0
        self._waiting = b""
        self._has_told = False

    def run_started(self, run: RunInfo, step: int) -> None:
        kept = []
        if step and self._path.is_file():
            lines = self._path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if _step_of(line) <= step]
        # Whole or not at all: a run may be killed while it goes on, too.
        write_aside(self._path, "".join(f"{line}\n" for line in kept))
        self._file = self._path.open("ab", buffering=0)
        self._whole = self._file.tell()

    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        if step % self._every == 0 or step == 1:
            self._write({"step": step, **metrics})

    def validation_finished(self, step: int, scores: Mapping[str, float]) -> None:
        self._write({"step": step, "validation": dict(scores), "judged_by": self._judged})

    def close(self) -> None:
        """Write what waits, or tell that it is lost."""
        if self._file is None:
            return
        if self._waiting:
            self._flush(self._file)
        if self._waiting:
            count = self._waiting.count(b"\n")
            self._tell(f"{self._path}: its last {count} lines could not be written")
        self._file.close()

    def _write(self, record: Mapping[str, Any]) -> None:
        self._waiting += f"{json.dumps(record)}\n".encode()
        if self._file is not None:
            self._flush(self._file)

    def _flush(self, file: FileIO) -> None:
        try:
            written = file.write(self._waiting) or 0
            if written < len(self._waiting):
                # A disk that runs full takes a part; what it says comes with the rest.
                written += file.write(self._waiting[written:]) or 0
        except OSError as error:
            with suppress(OSError):
                # No half line is left, which what comes later would go on with.
                file.truncate(self._whole)
            if not self._has_told:
                self._has_told = True
                reason = (error.strerror or str(error)).lower()
                self._tell(f"{self._path}: {reason}; training goes on, and its lines wait until there is room")
            return
        self._whole += written
        self._waiting = self._waiting[written:]


class PluginHooks(Callback):
    """Hands events on to the plugins' lifecycle hooks, whose errors are reported and stop nothing."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._run: RunInfo | None = None

    def run_started(self, run: RunInfo, step: int) -> None:
        self._run = run
        self._host.notify("lect_training_started", run=run)

    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        self._host.notify("lect_step_finished", run=self._run, step=step, metrics=metrics)

    def validation_finished(self, step: int, scores: Mapping[str, float]) -> None:
        self._host.notify("lect_evaluation_finished", run=self._run, step=step, scores=scores)

    def run_finished(self, outcome: Outcome) -> None:
        """`lect_training_finished`, as with whatever else a run ends."""
        self._host.notify("lect_training_finished", run=self._run, outcome=outcome)

    run_interrupted = run_failed = run_finished


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        # A line that a killed run left half-written.
        return 1 << 62

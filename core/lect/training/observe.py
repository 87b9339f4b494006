"""What a run shows and records while it works: a progress line, `metrics.jsonl`, and the plugins' lifecycle hooks."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from lect.files import write_aside
from lect.specs import RunInfo
from lect.training.loop import Observer

if TYPE_CHECKING:
    from lect.host import Host

_RATE_OVER_STEPS = 20


class ProgressLine:
    """One line: share done, loss, pieces a second, memory, remaining time; silent where the output is no terminal."""

    def __init__(self, console: Console, name: str, total: int, done: int = 0) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID = self._progress.add_task(name, total=total, completed=done, figures="")
        self._recent: deque[tuple[float, float]] = deque(maxlen=_RATE_OVER_STEPS)
        self._score = ""

    def __enter__(self) -> ProgressLine:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def stepped(self, step: int, metrics: Mapping[str, float]) -> None:
        """Move on."""
        self._recent.append((metrics["seconds"], metrics["pieces"]))
        seconds = self._recent[-1][0] - self._recent[0][0]
        pieces = sum(count for _, count in list(self._recent)[1:])
        rate = f" {pieces / seconds:,.0f} pieces/s" if seconds > 0 else ""
        memory = "".join(f" {metrics[name]:.1f} GB" for name in ("memory", "gpu_memory") if name in metrics)
        figures = f"loss {metrics['loss']:.3f}{self._score}{rate}{memory}"
        self._progress.update(self._task, completed=step, figures=figures)

    def evaluated(self, step: int, scores: Mapping[str, float]) -> None:
        """Show the first score from now on, where one component learns."""
        name, value = next(iter(scores.items()), ("", 0.0))
        # Scores of several components would not fit the line.
        self._score = f" {name} {value:.3f}" if name and "/" not in name else ""


class MetricsFile:
    """`metrics.jsonl`: one JSON object a step or validation; a resumed run drops what lies after its checkpoint.

    A log is no reason to lose a run: lines that cannot be written wait in memory until they can, and that is told once.

    Args:
        tell: called with what is to be told.
    """

    def __init__(
        self, path: Path, every: int, resumed_at: int | None, tell: Callable[[str], None] = lambda text: None
    ) -> None:
        self._path, self._every, self._tell = path, every, tell
        kept = []
        if resumed_at is not None and path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if _step_of(line) <= resumed_at]
        # Whole or not at all: a run may be killed while it goes on, too.
        write_aside(path, "".join(f"{line}\n" for line in kept))
        self._file = path.open("ab", buffering=0)
        self._whole = self._file.tell()
        self._waiting = b""
        self._has_told = False

    def __enter__(self) -> MetricsFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._waiting:
            self._flush()
        if self._waiting:
            count = self._waiting.count(b"\n")
            self._tell(f"{self._path}: its last {count} lines could not be written")
        self._file.close()

    def stepped(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record every so many steps."""
        if step % self._every == 0 or step == 1:
            self._write({"step": step, **metrics})

    def evaluated(self, step: int, scores: Mapping[str, float]) -> None:
        """Record a validation."""
        self._write({"step": step, "validation": dict(scores)})

    def _write(self, record: Mapping[str, Any]) -> None:
        self._waiting += f"{json.dumps(record)}\n".encode()
        self._flush()

    def _flush(self) -> None:
        try:
            written = self._file.write(self._waiting) or 0
            if written < len(self._waiting):
                # A disk that runs full takes a part; what it says comes with the rest.
                written += self._file.write(self._waiting[written:]) or 0
        except OSError as error:
            with suppress(OSError):
                # No half line is left, which what comes later would go on with.
                self._file.truncate(self._whole)
            if not self._has_told:
                self._has_told = True
                reason = (error.strerror or str(error)).lower()
                self._tell(f"{self._path}: {reason}; training goes on, and its lines wait until there is room")
            return
        self._whole += written
        self._waiting = self._waiting[written:]


class Notifier:
    """Hands events on to the plugins' lifecycle hooks."""

    def __init__(self, host: Host, run: RunInfo) -> None:
        self._host, self._run = host, run

    def stepped(self, step: int, metrics: Mapping[str, float]) -> None:
        """`lect_step_finished`."""
        self._host.notify("lect_step_finished", run=self._run, step=step, metrics=metrics)

    def evaluated(self, step: int, scores: Mapping[str, float]) -> None:
        """`lect_evaluation_finished`."""
        self._host.notify("lect_evaluation_finished", run=self._run, step=step, scores=scores)


class Observers:
    """Several observers as one."""

    def __init__(self, members: Sequence[Observer]) -> None:
        self._members = tuple(members)

    def stepped(self, step: int, metrics: Mapping[str, float]) -> None:
        """Tell each."""
        for member in self._members:
            member.stepped(step, metrics)

    def evaluated(self, step: int, scores: Mapping[str, float]) -> None:
        """Tell each."""
        for member in self._members:
            member.evaluated(step, scores)


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        # A line that a killed run left half-written.
        return 1 << 62

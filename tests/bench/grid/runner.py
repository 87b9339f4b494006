"""Processes that take jobs in their order, each as soon as what it needs is there."""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from grid.job import Job, Settings


@dataclass(frozen=True)
class Due:
    """A job with one seed."""

    job: Job
    seed: int

    @property
    def file(self) -> str:
        """Where its result lies, in the folder of results."""
        return f"{self.job.name.replace('/', '--')}--{self.seed}.json"

    def __str__(self) -> str:
        return f"{self.job.name} (seed {self.seed})"


@dataclass(frozen=True)
class Limits:
    """How many processes there are, and for how long.

    Args:
        seconds: after which no job is begun.
        last: after which processes are ended, whatever they do.
    """

    workers: int = 1
    seconds: float | None = None
    last: float | None = None


class Runner:
    """Does what is due and not done yet.

    Args:
        due: in the order of importance.
    """

    def __init__(self, settings: Settings, due: Sequence[Due], limits: Limits) -> None:
        self._settings, self._limits = settings, limits
        self._results = results(settings)
        self._results.mkdir(parents=True, exist_ok=True)
        self._due = [one for one in due if not (self._results / one.file).exists()]
        there = [one for one in due if (self._results / one.file).exists()]
        self._made = {(name, one.seed) for one in there for name in one.job.makes}
        self._total, self._done, self._started = len(due), len(there), time.monotonic()
        self._busy: dict[Connection, tuple[Any, Due | None]] = {}

    def run(self) -> int:
        """Go on until all is done, or time is up; returns how many jobs failed."""
        failed = 0
        for _ in range(min(self._limits.workers, len(self._due))):
            self._hire()
        while self._busy:
            for connection in wait(list(self._busy), timeout=1.0):
                failed += self._hear(connection)  # type: ignore[arg-type]
            if self._limits.last is not None and self._seconds > self._limits.last:
                self._say("time is up")
                break
        for process, _ in self._busy.values():
            process.terminate()
        left = len(self._due)
        self._say(f"{self._done} of {self._total} done, {failed} failed, {left} not begun")
        for one in self._due[:20]:
            missing = sorted(name for name in one.job.needs if (name, one.seed) not in self._made)
            self._say(f"not begun: {one}" + (f"; it needs {', '.join(missing)}" if missing else ""))
        return failed

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _hire(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(self._settings, theirs), daemon=True)
        process.start()
        theirs.close()
        self._busy[ours] = (process, None)

    def _hear(self, connection: Connection) -> int:
        """Take what a process has done, and give it more; returns 1 where it failed."""
        process, one = self._busy[connection]
        try:
            outcome: dict[str, Any] = connection.recv()
        except EOFError:
            # It has died, and nothing more is heard of it.
            del self._busy[connection]
            if one is None:
                self._say("a process ended before it began")
                return 1
            self._fail(one, "the process ended (out of memory, maybe)")
            if self._due:
                self._hire()
            return 1
        if "ready" in outcome:
            # It may have been given a job before it said so.
            self._hand_out()
            return 0
        failed = 0
        if one is not None and "error" in outcome:
            self._fail(one, outcome["error"])
            failed = 1
        elif one is not None:
            aside = self._results / f"{one.file}.part"
            aside.write_text(json.dumps(outcome, ensure_ascii=False, indent=1), encoding="utf-8")
            aside.rename(self._results / one.file)
            (self._results / f"{one.file}.error").unlink(missing_ok=True)
            self._made |= {(name, one.seed) for name in one.job.makes}
            self._done += 1
            self._say(f"{self._done}/{self._total} {one}, {outcome['seconds']} s")
        self._busy[connection] = (process, None)
        self._hand_out()
        return failed

    def _hand_out(self) -> None:
        """Give every idle process the first job that can be done; end those that there is nothing for."""
        is_late = self._limits.seconds is not None and self._seconds > self._limits.seconds
        for connection, (process, one) in list(self._busy.items()):
            if one is not None:
                continue
            ready = None if is_late else next((each for each in self._due if self._is_ready(each)), None)
            if ready is not None:
                self._due.remove(ready)
                self._busy[connection] = (process, ready)
                connection.send((ready.job, ready.seed))
            elif is_late or not any(busy for _, busy in self._busy.values()):
                # What is left waits for nothing that is coming.
                connection.send(None)
                del self._busy[connection]
                process.join(timeout=5)

    def _is_ready(self, one: Due) -> bool:
        return all((name, one.seed) in self._made for name in one.job.needs)

    def _fail(self, one: Due, why: str) -> None:
        (self._results / f"{one.file}.error").write_text(f"{why}\n", encoding="utf-8")
        self._say(f"FAILED {one}: {why.strip().splitlines()[-1]}")

    def _say(self, text: str) -> None:
        print(f"[{self._seconds:6.1f} s] {text}", file=sys.stderr, flush=True)


def work(settings: Settings, connection: Connection) -> None:
    """A process's whole life: jobs as they come, until there are none."""
    from grid.work import Workshop

    workshop = Workshop(settings)
    outcome: dict[str, Any] = {"ready": True}
    while True:
        connection.send(outcome)
        order = connection.recv()
        if order is None:
            return
        job, seed = order
        try:
            outcome = workshop.run(job, seed)
        except Exception:
            outcome = {"error": traceback.format_exc()}


def results(settings: Settings) -> Path:
    """The folder of results, a file for each job and seed."""
    return Path(settings.folder) / "results"

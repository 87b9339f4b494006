"""A job as a process of its own, which stops in good order when the process that started it does.

The starter holds the write end of a pipe that is the job's standard input. When it closes, because the starter wants
the job to stop or because the starter is no more, the job takes that as Ctrl-C: a training run writes its checkpoint
and ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

from lect.errors import UserError
from lect.runs import Job

JOB_PATIENCE = 120.0
"""Seconds that a job is given to write its checkpoint when it is stopped."""


class JobProcess:
    """A job that has been started.

    Args:
        environment: variables to set beside the job's own.

    Raises:
        UserError: its folder or its log is out of reach here.
    """

    def __init__(self, job: Job, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        self.job = job
        try:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            with job.log.open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _PROGRAM, *job.arguments],
                    cwd=job.folder,
                    env={**os.environ, "PYTHONSAFEPATH": "1", **environment, **job.environment},
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C in the terminal is told to the starter alone, who passes it on.
                    start_new_session=True,
                )
        except OSError as error:
            raise UserError(
                f"the job cannot be started ({(error.strerror or str(error)).lower()})",
                where=str(error.filename or job.folder),
                fix="let every machine of a cluster see the same folders",
            ) from error

    def poll(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Let it write its checkpoint and end."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def stop(self) -> int:
        """Let it write its checkpoint, and see that it ends; its exit code."""
        self.ask_to_stop()
        try:
            return self._process.wait(JOB_PATIENCE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            self._process.wait()
            raise


def run_job(job: Job) -> int:
    """Run a job here and wait for it; its exit code. An interruption (SIGINT) stops the job, in good order.

    To be called in the main thread. Whoever asks it to stop may ask again and again: the job is told once, and killed
    where it has not ended after `JOB_PATIENCE` seconds.

    Raises:
        UserError: its folder is out of reach here.
    """
    asked = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: asked.set())
    try:
        process = JobProcess(job)
        try:
            while process.poll() is None and not asked.is_set():
                time.sleep(0.1)
        finally:
            # Of one that has ended, this is its exit code alone.
            code = process.stop()
        return code
    finally:
        signal.signal(signal.SIGINT, before)


_PROGRAM = "from lect.commands.job import main; main()"

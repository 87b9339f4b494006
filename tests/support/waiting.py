"""Waiting for what another process does: by a condition, never by time."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from subprocess import Popen

PATIENCE = 300
"""Seconds after which something hangs for certain, on a machine that does much else besides."""


def wait_for(condition: Callable[[], bool], process: Popen[str] | None = None, every: float = 0.02) -> None:
    """Return as soon as the condition holds; a process that ends before is a failure at once."""
    until = time.monotonic() + PATIENCE
    while not condition():
        ended = process is not None and process.poll() is not None
        assert not ended or condition(), f"it ended with {process.returncode} before that"
        assert time.monotonic() < until, f"waited {PATIENCE} seconds"
        time.sleep(every)


def hears_ctrl_c() -> None:
    """To be called in a new process: what a shell starts in the background ignores Ctrl-C, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)

"""Ctrl-C as a request."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from rich.console import Console


@contextlib.contextmanager
def stop_on_interrupt(console: Console) -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks the run to stop after its step; a second one stops it at once."""
    asked = threading.Event()

    def ask(_signal: int, _frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        console.print(
            "Stopping after this step; Ctrl-C again stops at once and loses what follows the last checkpoint."
        )

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)

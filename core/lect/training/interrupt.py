"""Ctrl-C as a request, and the system's."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from rich.console import Console

from lect.training.distributed.processes import is_main_process, launched


@contextlib.contextmanager
def stop_on_interrupt(console: Console) -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks the run to stop after its step; a second one stops it at once.

    So does a request of the system to end (SIGTERM: a time limit, a machine that is taken back), but not in one of
    several processes: there the launcher ends those that wait in vain for one that has failed.
    """
    asked = threading.Event()

    def ask(_signal: int, _frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        if is_main_process():
            console.print(
                "Stopping after this step; Ctrl-C again stops at once and loses what follows the last checkpoint."
            )

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    signals = [signal.SIGINT] if launched() else [signal.SIGINT, signal.SIGTERM]
    before = [signal.signal(one, ask) for one in signals]
    try:
        yield asked.is_set
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)

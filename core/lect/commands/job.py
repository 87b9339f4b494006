"""The command line as a job of a fleet: it takes the end of its standard input as Ctrl-C."""

from __future__ import annotations

import _thread
import os
import threading

from lect.commands.app import main as run_lect


def main() -> None:
    """Run `lect` on this process's arguments, until standard input closes."""
    threading.Thread(target=_interrupt_when_left, daemon=True).start()
    run_lect()


def _interrupt_when_left() -> None:
    # Not through `sys.stdin`, whose lock a thread that waits in it would hold when the process ends.
    while os.read(0, 1):
        pass
    _thread.interrupt_main()

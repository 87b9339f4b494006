"""Rows of a pipe in stretches of what has come by then: a row that comes alone does not wait for the next one."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import TypeVar

Row = TypeVar("Row")
PATIENCE = 0.1
"""Seconds that a row waits for further ones to be answered together with."""


def as_they_come(rows: Iterator[Row], most: int, patience: float = PATIENCE) -> Iterator[list[Row]]:
    """Rows in stretches of at most `most`, read ahead in a thread while what came before is answered.

    Raises:
        Exception: what reading a row raises, after the rows before it were given.
    """
    there: queue.Queue[Row | _End] = queue.Queue(most)
    stopped = threading.Event()
    threading.Thread(target=_read, args=(rows, there, stopped), daemon=True).start()
    try:
        while True:
            item = there.get()
            stretch: list[Row] = []
            until = time.monotonic() + patience
            while not isinstance(item, _End):
                stretch.append(item)
                if len(stretch) == most:
                    break
                try:
                    item = there.get(timeout=max(0.0, until - time.monotonic()))
                except queue.Empty:
                    break
            if stretch:
                yield stretch
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
    finally:
        stopped.set()


class _End:
    """The end of the rows, and what made it where that is an error."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def _read(rows: Iterator[Row], there: queue.Queue[Row | _End], stopped: threading.Event) -> None:
    end = _End()
    try:
        for row in rows:
            if not _put(row, there, stopped):
                return
    except BaseException as error:
        end = _End(error)
    _put(end, there, stopped)


def _put(item: Row | _End, there: queue.Queue[Row | _End], stopped: threading.Event) -> bool:
    """Hand an item over; whether anybody waits for it."""
    while not stopped.is_set():
        try:
            there.put(item, timeout=1)
        except queue.Full:
            continue
        return True
    return False

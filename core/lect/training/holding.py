"""One run at a time in a run's folder: a second one would take the first one's checkpoints for its own."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from lect.errors import UserError
from lect.files import write_aside

LOCK, HOLDER = ".lock", ".running.json"


@contextmanager
def run_alone(folder: Path) -> Iterator[None]:
    """A block in which no other process runs in this folder; it is made if it is not there.

    Raises:
        UserError: another run is going on there, and who holds it; or the folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"another run is going on there{_holder(folder)}",
            where=str(folder),
            fix="wait until it has ended, or set output.folder to another place",
        ) from None
    except OSError as error:
        raise UserError(
            f"it cannot be written ({(error.strerror or str(error)).lower()})",
            where=str(folder),
            fix="set output.folder to a place of yours, or mend its rights",
        ) from error
    try:
        now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        holder = {"process": os.getpid(), "machine": platform.node(), "since": now}
        write_aside(folder / HOLDER, json.dumps(holder))
        yield
    finally:
        with suppress(OSError):
            (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _holder(folder: Path) -> str:
    try:
        said = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        return f": process {int(said['process'])} on {said['machine']}, since {said['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""

"""What was computed of files and holds as long as they have not changed: remembered in the cache, by size and time.

A file counts as unchanged where device, inode, size and the times of its last change (of content, and of what the
system says of it) are the same. Nothing is remembered of files that were changed in the last seconds: another change
could bear the same time. Several processes may read and write at once; a cache that cannot be written is no error.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lect.cache import cache_folder
from lect.errors import UserError
from lect.files import hash_of, write_aside

_YOUNG = 2_000_000_000
"""Nanoseconds in which a file system's clock is sure to have gone on."""
_WORTH_IT = 2**22
"""Bytes that are hashed as fast as a note is looked up."""
_SECONDS_KEPT = 180 * 24 * 3600


@dataclass(frozen=True)
class FilesState:
    """Files as they were at one time.

    Args:
        entries: of each file its path and the numbers that change with it.
    """

    entries: tuple[tuple[str, int, int, int, int, int], ...]

    @classmethod
    def of(cls, files: Iterable[Path]) -> FilesState:
        """The files' state now. Raises `OSError` where one cannot be looked at."""
        return cls(tuple(_entry(file) for file in sorted(files)))

    @property
    def is_current(self) -> bool:
        """Whether no file has changed since."""
        try:
            return FilesState.of(Path(entry[0]) for entry in self.entries) == self
        except OSError:
            return False

    def recall(self, what: str, compute: Callable[[], str]) -> str:
        """What `compute` gives of these files' content, from the cache where it is there.

        Args:
            what: names it; another name for what is computed in another way.
        """
        note = self._note(what)
        if (found := _read(note, self)) is not None:
            return found
        found = compute()
        newest = max((max(entry[4:]) for entry in self.entries), default=0)
        if self.is_current and newest < time.time_ns() - _YOUNG:
            _write(note, self, found)
        return found

    def _note(self, what: str) -> Path:
        name = json.dumps([what, [entry[0] for entry in self.entries]])
        return cache_folder() / "remembered" / f"{hashlib.sha256(name.encode()).hexdigest()}.json"


FileState = tuple[int, int, int, int, int]


def file_state(path: str | Path) -> FileState:
    """What tells a file or folder from any other that its path stood for: its last two times are in nanoseconds.

    Raises `OSError`. Where many are looked at, a path as text saves time.
    """
    found = os.stat(path)  # noqa: PTH116
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def settled_state(path: Path) -> FileState | None:
    """What tells a file from any other that its path stood or will stand for; None right after it was changed.

    Raises `OSError`.
    """
    state = file_state(path)
    return None if max(state[-2:]) > time.time_ns() - _YOUNG else state


def hash_while_unchanged(path: Path) -> str:
    """A file's SHA-256 in hexadecimal digits, computed once in this process while the file stays. Raises `OSError`."""
    state = settled_state(path)
    return hash_of(path) if state is None else _hash_of_state(path, state)


@lru_cache(maxsize=16384)
def _hash_of_state(path: Path, state: FileState) -> str:
    return hash_of(path)


def remembered_hash(path: Path) -> str:
    """A file's SHA-256 in hexadecimal digits, read anew where the file has changed. Raises `OSError`."""
    if path.stat().st_size < _WORTH_IT:
        return hash_of(path)
    return FilesState.of([path]).recall("sha256", lambda: hash_of(path))


def _entry(file: Path) -> tuple[str, int, int, int, int, int]:
    real = os.path.realpath(file)
    return real, *file_state(real)


def _read(note: Path, state: FilesState) -> str | None:
    try:
        said = json.loads(note.read_text(encoding="utf-8"))
        if said["files"] != [list(entry) for entry in state.entries]:
            return None
        return said["found"] if isinstance(said["found"], str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(note: Path, state: FilesState, found: str) -> None:
    try:
        write_aside(note, json.dumps({"files": state.entries, "found": found}))
        oldest = time.time() - _SECONDS_KEPT
        for other in note.parent.glob("*.json"):
            if other.stat().st_mtime < oldest:
                other.unlink(missing_ok=True)
    except (UserError, OSError):
        # It is computed again next time.
        return

"""What writers that were killed leave behind: told from what a living one is writing, swept, and brought back.

Whoever writes a file or folder aside holds a lock of the system on it (``flock``), which ends with the process, however
that ends. Where a file system or a system has no such locks, nobody can tell, and only age counts.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: How the names of unfinished files and folders end.
PARTIAL = ".partial"
#: How the name of a folder ends that is being replaced, where two folders cannot be exchanged at once.
FORMER = ".former"
_NAME = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{12}(?P<kind>\.partial|\.former)")


def name_aside(target: Path, kind: str = PARTIAL) -> Path:
    """A new name beside a path, for what is to take its place."""
    # A sibling, as only renaming within one file system is atomic; not by `tempfile`, whose files none but the owner
    # can read.
    return target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}{kind}")


def meant_for(path: Path) -> Path | None:
    """The path whose place this file or folder was to take, or has lost; None where its name is no such name."""
    match = _NAME.fullmatch(path.name)
    return path.with_name(match["name"]) if match else None


def unfinished_in(folder: Path) -> list[Path]:
    """Whatever in a folder was written aside, or is being."""
    return [path for path in _beginning(folder, ".") if meant_for(path) is not None]


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """A block that this process writes a file or folder in; others see that it lives.

    Yields:
        Whether the path is still there: a sweeper may have come between its making and this.
    """
    descriptor = _open(path)
    if descriptor is None:
        yield path.exists()
        return
    try:
        with suppress(OSError):
            _lock(descriptor, wait=True)
        yield _is_at(descriptor, path)
    finally:
        os.close(descriptor)


def is_abandoned(path: Path) -> bool | None:
    """Whether nobody writes this any more; None where that cannot be told."""
    descriptor = _open(path)
    if descriptor is None:
        return None
    try:
        return _lock(descriptor, wait=False)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def discard(path: Path) -> bool:
    """Take away what nobody writes any more; whether that was so."""
    descriptor = _open(path)
    if descriptor is None:
        return False
    try:
        if not _lock(descriptor, wait=False):
            return False
        # Held meanwhile, so that nobody begins to write where it is being taken away.
        take_away(path)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def take_away(path: Path) -> None:
    """Remove a file or a folder, as far as it can be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def sweep_beside(target: Path) -> None:
    """Take away what killed writers of this path left; what it was is brought back first, where it is lost."""
    found = _written_for(target)
    if found:
        bring_back(target)
    for path in found:
        discard(path)


def bring_back(target: Path) -> bool:
    """Put a folder into its place again that a writer had moved out of it when it was killed; whether there was one."""
    if target.exists():
        return False
    former = [path for path in _written_for(target) if path.suffix == FORMER]
    for path in sorted(former, key=_changed, reverse=True):
        if is_abandoned(path) is not False:
            with suppress(OSError):
                path.rename(target)
                return True
    return False


def exchange(first: Path, second: Path) -> bool:
    """Give two paths each other's place in one step; whether the system and the file system can do that."""
    import ctypes
    import sys

    ends = os.fsencode(first), os.fsencode(second)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            return bool(library.renamex_np(*ends, _RENAME_SWAP) == 0)
        return bool(library.renameat2(_HERE, ends[0], _HERE, ends[1], _RENAME_EXCHANGE) == 0)
    except (OSError, AttributeError, TypeError):
        return False


# `renameat2(2)` of Linux, `renamex_np(2)` of macOS.
_HERE, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2
_HELD_ELSEWHERE = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}


def _written_for(target: Path) -> list[Path]:
    return [path for path in _beginning(target.parent, f".{target.name}.") if meant_for(path) == target]


def _beginning(folder: Path, prefix: str) -> list[Path]:
    try:
        # As text first: a folder may hold very many files.
        return [Path(entry.path) for entry in os.scandir(folder) if entry.name.startswith(prefix)]
    except OSError:
        return []


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0


def _open(path: Path) -> int | None:
    try:
        import fcntl  # noqa: F401

        # Network file systems lock only what may be written to.
        return os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except (ImportError, OSError):
        return None


def _lock(descriptor: int, *, wait: bool) -> bool:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in _HELD_ELSEWHERE:
            return False
        raise
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        there, own = path.stat(), os.fstat(descriptor)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)

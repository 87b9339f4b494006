"""Where `lect` keeps files of its own: what can be made or fetched again, and what a user trained."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lect.errors import UserError
from lect.leftovers import PARTIAL

_MARKER = "made_from.json"


def cache_folder() -> Path:
    """The folder of what can be made or fetched again: ``LECT_CACHE``, or the platform's place for caches.

    It need not exist yet.
    """
    import platformdirs

    return _named_by("LECT_CACHE") or Path(platformdirs.user_cache_dir("lect", appauthor=False))


def data_folder() -> Path:
    """The folder of what the user trained or installed: ``LECT_HOME``, or the platform's place for user data.

    It need not exist yet.
    """
    import platformdirs

    return _named_by("LECT_HOME") or Path(platformdirs.user_data_dir("lect", appauthor=False))


def make_once(
    folder: Path, is_ready: Callable[[], bool], make: Callable[[], None], waiting: Callable[[], None]
) -> Path:
    """A folder in the cache, made if it is not there; of two processes that want it at once, one makes it.

    Args:
        is_ready: whether the folder is there as it should be.
        make: writes the folder, aside and then renamed.
        waiting: called once where another process is making it.

    Raises:
        UserError: the cache cannot be written.
    """
    from filelock import FileLock, Timeout

    if is_ready():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f"{folder.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
    except OSError as error:
        raise UserError(
            f"the cache cannot be written ({(error.strerror or str(error)).lower()})",
            where=str(folder.parent),
            fix="set LECT_CACHE to a folder of yours",
        ) from error
    try:
        if not is_ready():
            # Only the holder of the lock writes here, so what is unfinished belongs to a process that was killed.
            for leftover in folder.parent.glob(f".{folder.name}.*{PARTIAL}"):
                shutil.rmtree(leftover, ignore_errors=True)
            make()
    finally:
        lock.release()
    return folder


def mark_whole(folder: Path, made_from: Mapping[str, Any]) -> None:
    """Note in a finished folder what it was made from, and how long each of its files is."""
    sizes = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
    text = json.dumps({**made_from, "files": sizes}, indent=2, ensure_ascii=False)
    (folder / _MARKER).write_text(f"{text}\n", encoding="utf-8")


def is_whole(folder: Path, made_from: Mapping[str, Any]) -> bool:
    """Whether a folder was made from this, at least, and none of its files has been lost or cut since."""
    try:
        made = json.loads((folder / _MARKER).read_text(encoding="utf-8"))
        sizes = made.pop("files")
        return made_from.items() <= made.items() and all(
            (folder / name).stat().st_size == size for name, size in sizes.items()
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False


def read_marker(folder: Path) -> dict[str, Any]:
    """What `mark_whole` noted in a folder; empty where it is not marked."""
    try:
        said = json.loads((folder / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _named_by(variable: str) -> Path | None:
    value = os.environ.get(variable, "").strip()
    return Path(value).expanduser().absolute() if value else None

"""Taking away: components that were pulled, and what the cache holds for none."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from lect.cache import cache_folder
from lect.components.library import Library
from lect.errors import UserError
from lect.files import PARTIAL
from lect.registry.blobs import Blobs
from lect.registry.model import FileEntry
from lect.registry.record import read_record

YOUNG_SECONDS = 3600
"""What was left unfinished for less time may belong to a process that still runs."""


@dataclass(frozen=True)
class Swept:
    """What was taken away."""

    files: int
    size: int


def remove(folder: Path, *, force: bool = False) -> int:
    """Take a component away; the bytes of its files.

    Raises:
        UserError: it was made here rather than pulled, so that nobody could bring it back, and `force` is not given.
    """
    if not force and read_record(folder) is None:
        raise UserError(
            "was made here, and could not be pulled again", where=str(folder), fix="add --force to remove it for good"
        )
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    # Renamed first, so that nothing finds half a component.
    doomed = folder.with_name(f".{folder.name}.removed{PARTIAL}")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed)
    return size


def sweep(libraries: Library, blobs: Blobs, *, everything: bool = False) -> Swept:
    """Take away what the cache holds for no component, and what killed processes left.

    Args:
        everything: also unfinished files that are young.
    """
    kept = {file.sha256 for folder in _pulled(libraries) for file in _files(folder)}
    files, size = 0, 0
    for path in blobs.all():
        if path.name not in kept:
            files, size = files + 1, size + blobs.discard(path)
    for path in blobs.unfinished():
        if everything or _age(path) > YOUNG_SECONDS:
            files, size = files + 1, size + blobs.discard(path)
    for path in _leftovers(libraries):
        if everything or _age(path) > YOUNG_SECONDS:
            files, size = files + 1, size + _discard(path)
    return Swept(files, size)


def _pulled(library: Library) -> list[Path]:
    return [listing.folder for listing in library.all()]


def _files(folder: Path) -> tuple[FileEntry, ...]:
    try:
        record = read_record(folder)
    except UserError:
        return ()
    return record.files if record else ()


def _leftovers(library: Library) -> list[Path]:
    places = [*library.folders, *(folder / role for folder in library.folders for role in ("lang", "task"))]
    found = [path for place in places if place.is_dir() for path in place.glob(f".*{PARTIAL}")]
    registries = cache_folder() / "registries"
    return found + (sorted(registries.glob(f".*{PARTIAL}")) if registries.is_dir() else [])


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0


def _discard(path: Path) -> int:
    if path.is_dir():
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        shutil.rmtree(path, ignore_errors=True)
        return size
    size = path.stat().st_size
    path.unlink(missing_ok=True)
    return size

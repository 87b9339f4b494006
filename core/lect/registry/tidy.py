"""Taking away: components that were pulled, and what the cache holds for none."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from lect.cache import cache_folder
from lect.composition.stack import ROLES
from lect.errors import UserError
from lect.leftovers import FORMER, PARTIAL, bring_back, is_abandoned, meant_for, take_away, unfinished_in
from lect.registry.blobs import Blobs
from lect.registry.model import FileEntry
from lect.registry.record import RECORD, read_record
from lect.storage.library import Library
from lect.storage.store import read_component

YOUNG_SECONDS = 3600
"""What was left unfinished for less time may belong to a process that still runs, where nothing else can tell."""


@dataclass(frozen=True)
class Swept:
    """What was taken away.

    Args:
        restored: components that were whole and out of their place, and are back in it.
    """

    files: int
    size: int
    restored: tuple[Path, ...] = ()


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
    restored = []
    for path in _leftovers(libraries):
        abandoned = is_abandoned(path)
        if abandoned is False or (abandoned is None and not everything and _age(path) <= YOUNG_SECONDS):
            continue
        place = _restored(path)
        if place is not None:
            restored.append(place)
        elif path.exists():
            files, size = files + 1, size + _discard(path)
    return Swept(files, size, tuple(restored))


def _pulled(library: Library) -> list[Path]:
    return [listing.folder for listing in library.all()]


def _files(folder: Path) -> tuple[FileEntry, ...]:
    try:
        record = read_record(folder)
    except UserError:
        return ()
    return record.files if record else ()


def _leftovers(library: Library) -> list[Path]:
    """What was written aside, the newest first: in the libraries, in the cache, and here where runs and results go."""
    here = Path.cwd()
    own = [
        *(place for folder in library.folders for place in (folder, *(folder / role for role in ROLES))),
        *(Path(folder) for folder, _, _ in os.walk(cache_folder())),
    ]
    # Elsewhere only what is surely of lect.
    shared = [here, *here.glob("runs/*/"), *here.glob("runs/*/checkpoints/")]
    found = [path for place in own for kind in (PARTIAL, FORMER) for path in place.glob(f".*{kind}")]
    found += [path for place in shared for path in unfinished_in(place)]
    distinct = {path.absolute(): path for path in found}
    return sorted(distinct.values(), key=_age)


def _restored(path: Path) -> Path | None:
    """The place that a component is put back into, where it is whole and the only copy."""
    place = meant_for(path)
    if place is None or place.exists() or not path.is_dir():
        return None
    if path.suffix == FORMER:
        return place if bring_back(place) else None
    if place.parent.name not in ROLES or ("@" in place.name and not (path / RECORD).is_file()):
        # What was being pulled can be pulled again, and would not be known as pulled.
        return None
    try:
        read_component(path)
        path.rename(place)
    except (UserError, OSError):
        return None
    return place


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0


def _discard(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    size = sum(file.stat().st_size for file in files if file.is_file())
    take_away(path)
    return size

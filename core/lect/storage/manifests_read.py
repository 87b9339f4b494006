"""Manifests that were read before: a library of thousands is listed without parsing each of its files again."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from lect.cache import cache_folder
from lect.errors import UserError
from lect.files import write_aside
from lect.storage.manifest import FILE, Manifest
from lect.storage.store import read_folder_manifest

_WORTH_KEEPING = 200
"""Fewer manifests are read as fast as a list of them."""


class ManifestsRead:
    """The manifests of a library's folder, each parsed once as long as its file stays what it is.

    Args:
        folder: of components.
    """

    def __init__(self, folder: Path) -> None:
        name = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:32]
        # The fields of a manifest are part of the name: another version of lect may have others.
        layout = hashlib.sha256(" ".join(Manifest.model_fields).encode()).hexdigest()[:8]
        self._file = cache_folder() / "libraries" / f"{name}.{layout}.json"
        self._before: dict[str, Any] = {}
        self._now: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            found = json.loads(self._file.read_text(encoding="utf-8"))
            self._before = found if isinstance(found, dict) else {}

    def read(self, folder: Path) -> Manifest:
        """The manifest of the component in a folder. Raises as `read_folder_manifest`."""
        place, stamp = str(folder), _stamp(folder)
        known = self._before.get(place)
        if stamp is not None and known is not None:
            with suppress(ValueError, TypeError, LookupError):
                if known["stamp"] == stamp:
                    manifest = Manifest.model_validate_json(known["manifest"])
                    self._now[place] = known
                    return manifest
        manifest = read_folder_manifest(folder)
        if stamp is not None:
            self._now[place] = {"stamp": stamp, "manifest": manifest.model_dump_json(by_alias=True)}
        return manifest

    def keep(self) -> None:
        """Remember what was read, where that is worth it; a cache that cannot be written is none."""
        if len(self._now) >= _WORTH_KEEPING and self._now != self._before:
            with suppress(UserError):
                write_aside(self._file, json.dumps(self._now))


def _stamp(folder: Path) -> list[int] | None:
    """What tells a manifest's file from any other that lay or will lie there; None for what is no plain file."""
    try:
        found = os.lstat(f"{folder}{os.sep}{FILE}")
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return [found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]

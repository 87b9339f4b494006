"""The cache of fetched files, each under its SHA-256: whole and verified, or not there.

A file that is being fetched grows as ``<sha256>.partial``, which whoever comes next goes on with, and is renamed only
once its hash is right. A lock a file (one of 256) sees to it that of many processes one fetches.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lect.cache import cache_folder
from lect.errors import RegistryError, UserError
from lect.files import PARTIAL, hash_of

if TYPE_CHECKING:
    from lect.registry.model import FileEntry

READ_BYTES = 2**20

Fetch = Callable[[int], tuple[int, Iterator[bytes]]]
"""Given the bytes that are there, gives the position that the chunks start from (that one or 0), and the chunks."""


@dataclass(frozen=True)
class Blobs:
    """The cache in a folder."""

    folder: Path

    @classmethod
    def default(cls) -> Blobs:
        """The user's."""
        return cls(cache_folder() / "blobs")

    def path(self, sha256: str) -> Path:
        """Where a file lies, if it is there."""
        return self.folder / sha256[:2] / sha256

    def has(self, file: FileEntry) -> bool:
        """Whether a file is there, whole by its length; `place` also looks at its hash."""
        try:
            return self.path(file.sha256).stat().st_size == file.size
        except OSError:
            return False

    def place(self, file: FileEntry, target: Path, fetch: Fetch, where: str) -> bool:
        """Put a file at `target`, fetched if it is not in the cache.

        Args:
            where: what messages call the file.

        Returns:
            Whether it was fetched.

        Raises:
            RegistryError: it cannot be fetched, or is not what the registry says; nothing is left at `target`.
            UserError: the disk is full, or the cache cannot be written.
        """
        blob = self.path(file.sha256)
        try:
            with self._locked(file.sha256):
                fetched = not (self.has(file) and hash_of(blob) == file.sha256)
                if fetched:
                    blob.unlink(missing_ok=True)
                    self._fetch(file, blob, fetch, where)
                # Inside the lock, or `gc` might take the file away first.
                target.parent.mkdir(parents=True, exist_ok=True)
                _link(blob, target)
                return fetched
        except OSError as error:
            raise _refusal(error, self.folder, file.size) from error

    @contextmanager
    def _locked(self, sha256: str) -> Iterator[None]:
        from filelock import FileLock

        folder = self.folder / sha256[:2]
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            yield

    def _fetch(self, file: FileEntry, blob: Path, fetch: Fetch, where: str) -> None:
        partial = blob.with_name(f"{blob.name}{PARTIAL}")
        there = partial.stat().st_size if partial.exists() else 0
        if there > file.size:
            partial.unlink()
            there = 0
        _check_space(self.folder, file.size - there)
        try:
            resumed = self._write(file, partial, fetch, there, where)
            if resumed and hash_of(partial) != file.sha256:
                # What lay there may be of another file: once more, from the start.
                partial.unlink()
                self._write(file, partial, fetch, 0, where)
            found = hash_of(partial)
        except OSError:
            # On a full disk what cannot be finished would only stand in the way.
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
        if found != file.sha256:
            partial.unlink()
            raise RegistryError(
                f"is not the file that the registry lists: its SHA-256 is {found}, and should be {file.sha256}",
                where=where,
                fix="it was damaged or exchanged; nothing of it was kept; tell whoever runs the registry",
            )
        partial.replace(blob)

    def _write(self, file: FileEntry, partial: Path, fetch: Fetch, there: int, where: str) -> bool:
        """Fetch what is missing; whether that went on with what was there."""
        if there == file.size and there:
            return True
        start, chunks = fetch(there)
        with partial.open("ab") as stream:
            stream.truncate(start)
            written = start
            for chunk in chunks:
                written += len(chunk)
                if written > file.size:
                    break
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        if written > file.size:
            partial.unlink()
            raise RegistryError(
                f"is longer than the {file.size:,} bytes that the registry lists",
                where=where,
                fix="it was exchanged; tell whoever runs the registry",
            )
        if written < file.size:
            raise RegistryError(
                f"ended after {written:,} of {file.size:,} bytes",
                where=where,
                fix="try again: it goes on where it stopped",
            )
        return start > 0

    def all(self) -> list[Path]:
        """Every whole file."""
        return [path for path in self._files() if not path.name.endswith(PARTIAL)]

    def unfinished(self) -> list[Path]:
        """Every file that is not whole."""
        return [path for path in self._files() if path.name.endswith(PARTIAL)]

    def discard(self, path: Path) -> int:
        """Take a file away; the bytes that were freed."""
        with self._locked(path.name[:64]):
            try:
                size = path.stat().st_size
                path.unlink()
            except OSError:
                return 0
            return size

    def _files(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [path for path in sorted(self.folder.glob("??/*")) if path.is_file() and path.name != ".lock"]


def _link(blob: Path, target: Path) -> None:
    try:
        os.link(blob, target)
    except OSError as error:
        # Elsewhere than the cache, or a file system without links.
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        shutil.copyfile(blob, target)


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _refusal(error: OSError, folder: Path, size: int) -> UserError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(folder).free
        return UserError(
            f"the disk is full ({free / 1e6:,.1f} MB free, and {size / 1e6:,.1f} MB needed)",
            where=str(folder),
            fix="free some space, or set LECT_CACHE to another disk",
        )
    return UserError(
        f"the cache cannot be used ({(error.strerror or str(error)).lower()})",
        where=str(error.filename or folder),
        fix="set LECT_CACHE to a folder of yours",
    )

"""Files and folders that appear whole or not at all: written aside, then renamed into place."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from lect.errors import UserError
from lect.leftovers import FORMER, PARTIAL, exchange, held, name_aside, sweep_beside, take_away

__all__ = [
    "PARTIAL",
    "check_target",
    "file_aside",
    "file_beside",
    "flush_to_disk",
    "folder_aside",
    "folder_beside",
    "full_disk_named",
    "hash_of",
    "try_folder",
    "write_aside",
]

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NOTHING_LEFT = 2**18
"""With less free space than so many bytes a disk is as good as full."""


def hash_of(path: Path) -> str:
    """A file's SHA-256 in hexadecimal digits. Raises `OSError` where it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def write_aside(path: Path | str, content: bytes | str) -> None:
    """Write a file so that it holds either what it held before or all of `content` (text as UTF-8).

    Folders above it are made; a symbolic link is followed.

    Raises:
        UserError: it cannot be written; the message names the path and, on a full disk, the free space.
    """
    with file_aside(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def file_aside(path: Path | str) -> Iterator[IO[bytes]]:
    """A file to write to that takes the place of `path` when the block ends without an exception.

    What killed writers of the same path left is taken away.

    Raises:
        UserError: it cannot be written; the message names the path and, on a full disk, the free space.
    """
    target = _real(path)
    try:
        with _beside(target, lambda aside: aside.touch(exist_ok=False)) as aside:
            with aside.open("r+b") as file:
                yield file
                file.flush()
                flush_to_disk(file.fileno())
            aside.replace(target)
    except OSError as error:
        raise _refusal(target, error) from error


@contextmanager
def folder_aside(path: Path | str) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its place when the block ends without an exception.

    A folder that stands there already is replaced by then, in one step where the system can do that, and stays as it
    is if the block fails. What killed writers of the same path left is taken away.

    Raises:
        UserError: the folder cannot be made, or the disk ran full in the block (also where a library says so in an
            exception of its own); the message names the path and, on a full disk, the free space.
    """
    target = _real(path)
    _refuse_file(target)
    with folder_beside(target) as aside:
        with full_disk_named(target, aside):
            yield aside
            rights = stat.S_IMODE(aside.stat().st_mode)
            for file in aside.rglob("*"):
                if file.is_file():
                    # `safetensors` makes files that none but the owner can read, also where caches are shared.
                    file.chmod(rights & 0o666)
                    _flush_file(file)
        try:
            _take_place(aside, target)
        except OSError as error:
            raise _refusal(target, error) from error


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """A temporary folder beside a path, which others see is in use; gone after the block unless it was renamed.

    Raises:
        UserError: it cannot be made.
    """
    with ExitStack() as made:
        try:
            aside = made.enter_context(_beside(target, Path.mkdir))
        except OSError as error:
            raise _refusal(target, error) from error
        yield aside


@contextmanager
def file_beside(target: Path) -> Iterator[Path]:
    """A temporary file beside a path, which others see is in use; gone after the block unless it was renamed.

    Raises:
        OSError: it cannot be made.
    """
    with _beside(target, lambda aside: aside.touch(exist_ok=False)) as aside:
        yield aside


def try_folder(path: Path | str, size: int = 0) -> None:
    """Refuse a place that `folder_aside` could not write to now, before what is to be written has cost anything.

    Args:
        size: bytes that there must be room for.

    Raises:
        UserError: as `folder_aside`.
    """
    target = _real(path)
    _refuse_file(target)
    # Folders above it are not made: what comes to nothing leaves nothing.
    nearest = next(folder for folder in target.parents if folder.exists())
    try:
        with _beside(nearest / target.name, Path.mkdir) as aside:
            (aside / "try").write_bytes(b"tried")
    except OSError as error:
        raise _refusal(target, error) from error
    if _free(target) < size:
        raise UserError(
            f"the disk has too little room ({_free(target) / 1e6:,.1f} MB free, {size / 1e6:,.1f} MB needed)",
            where=str(target),
            fix="free some space or choose another place",
        )


@contextmanager
def full_disk_named(target: Path, *unfinished: Path) -> Iterator[None]:
    """A block whose writing goes to `target`: a disk that runs full in it is said in one line, and which one it is.

    Args:
        unfinished: what is then taken away.

    Raises:
        UserError: the disk is full, also where a library says so in an exception of its own.
    """
    try:
        yield
    except Exception as error:
        if not _disk_is_full(error, target):
            raise
        place = _full_place(error, target)
        for path in unfinished:
            # What was written must not count as taken when the free space is told.
            take_away(path)
        raise _full(place) from error


def check_target(folder: Path, overwrite: bool, is_ours: Callable[[Path], bool]) -> None:
    """Refuse a folder that holds something, unless it may be replaced and is of the kind that would replace it.

    Raises:
        UserError: what lies there.
    """
    if folder.is_file():
        raise UserError("a file is in the way of a folder", where=str(folder), fix="name another place")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not overwrite:
        raise UserError("the folder holds something already", where=str(folder), fix="add --overwrite, or name another")
    if not is_ours(folder):
        raise UserError(
            "the folder holds something else, which --overwrite does not replace",
            where=str(folder),
            fix="name another, or empty it",
        )


@contextmanager
def _beside(target: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """A new file or folder beside the target, held, gone after the block unless renamed by then. Raises `OSError`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep_beside(target)
    while True:
        aside = name_aside(target)
        make(aside)
        with held(aside) as is_there:
            if not is_there:
                # Another writer has swept it before it was held.
                continue
            try:
                yield aside
            finally:
                take_away(aside)
        return


def _refuse_file(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise UserError(
            "a file is in the way of a folder", where=str(target), fix="move it away or choose another place"
        )


def _take_place(aside: Path, target: Path) -> None:
    try:
        # What is no folder, or an empty one, is in nobody's way.
        aside.rename(target)
        return
    except OSError as error:
        if error.errno not in _IN_THE_WAY:
            raise
    if exchange(aside, target):
        take_away(aside)
        return
    # A kill between the two leaves both: `bring_back` knows the former one by its name.
    former = name_aside(target, FORMER)
    target.rename(former)
    try:
        aside.rename(target)
    except BaseException:
        former.rename(target)
        raise
    take_away(former)


_IN_THE_WAY = {errno.ENOTEMPTY, errno.EEXIST, *([errno.EACCES] if os.name == "nt" else [])}


def _real(path: Path | str) -> Path:
    return Path(os.path.realpath(Path(path).expanduser()))


def _flush_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        flush_to_disk(descriptor)
    finally:
        os.close(descriptor)


def flush_to_disk(descriptor: int) -> None:
    """Wait until the disk has what was written, where the file system can say so."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and FUSE file systems cannot; the rename is still whole.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}:
            raise


def _disk_is_full(error: Exception, target: Path) -> bool:
    if isinstance(error, UserError):
        return False
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    # `safetensors` and `tokenizers` write in Rust, faiss and torch in C++: their exceptions have at best the system's
    # message in them. Where not, the disk itself is asked.
    said = str(error)
    if any(f"(os error {number})" in said or os.strerror(number) in said for number in _FULL):
        return True
    is_unclear = isinstance(error, RuntimeError) or (isinstance(error, OSError) and error.errno is None)
    return is_unclear and _free(target) < _NOTHING_LEFT


def _full_place(error: Exception, target: Path) -> Path:
    """Where the full disk is: libraries and readers write to temporary places as well."""
    if isinstance(error, OSError) and error.errno in _FULL and isinstance(error.filename, str):
        return Path(error.filename)
    if _free(target) >= _NOTHING_LEFT:
        from lect.cache import cache_folder

        for place in (Path(tempfile.gettempdir()), cache_folder()):
            if _free(place) < _NOTHING_LEFT:
                return place
    return target


def _free(place: Path) -> float:
    """The free bytes of the disk that this place is on, or would be."""
    try:
        return shutil.disk_usage(next(folder for folder in (place, *place.parents) if folder.is_dir())).free
    except (OSError, StopIteration):
        return float("inf")


def _refusal(target: Path, error: OSError) -> UserError:
    if error.errno in _FULL:
        return _full(_full_place(error, target))
    reason = (error.strerror or str(error)).lower()
    if in_the_way := next((place for place in target.parents if place.is_file()), None):
        reason = f"{in_the_way} is a file, not a folder"
    return UserError(
        f"it cannot be written ({reason})", where=str(target), fix="choose another place or mend its rights"
    )


def _full(target: Path) -> UserError:
    free = f"{_free(target) / 1e6:,.1f} MB free"
    return UserError(f"the disk is full ({free})", where=str(target), fix="free some space or choose another place")

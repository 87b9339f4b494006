"""Files and folders that appear whole or not at all: written aside, then renamed into place."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from lect.errors import UserError

#: How the names of unfinished files and folders end; what a killed process leaves behind can be known by it.
PARTIAL = ".partial"
_FULL = {errno.ENOSPC, errno.EDQUOT}


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

    Raises:
        UserError: it cannot be written; the message names the path and, on a full disk, the free space.
    """
    target = _real(path)
    aside = _aside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("xb") as file:
            yield file
            file.flush()
            _flush(file.fileno())
        aside.replace(target)
    except OSError as error:
        raise _refusal(target, error) from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


@contextmanager
def folder_aside(path: Path | str) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its place when the block ends without an exception.

    A folder that stands there already is replaced by then, and stays as it is if the block fails.

    Raises:
        UserError: the folder cannot be made, or the disk ran full in the block (also where a library says so in an
            exception of its own); the message names the path and, on a full disk, the free space.
    """
    target = _real(path)
    if target.exists() and not target.is_dir():
        raise UserError(
            "a file is in the way of a folder", where=str(target), fix="move it away or choose another place"
        )
    aside = _aside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.mkdir()
    except OSError as error:
        raise _refusal(target, error) from error
    try:
        yield aside
        rights = stat.S_IMODE(aside.stat().st_mode)
        for file in aside.rglob("*"):
            if file.is_file():
                # `safetensors` makes files that none but the owner can read, also where caches are shared.
                file.chmod(rights & 0o666)
                _flush_file(file)
        _take_place(aside, target)
    except Exception as error:
        if _disk_is_full(error):
            # What was written must not count as taken when the free space is told.
            shutil.rmtree(aside, ignore_errors=True)
            raise _full(target) from error
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


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


def _take_place(aside: Path, target: Path) -> None:
    if not target.exists():
        aside.rename(target)
        return
    former = _aside(target)
    target.rename(former)
    try:
        aside.rename(target)
    except BaseException:
        former.rename(target)
        raise
    shutil.rmtree(former, ignore_errors=True)


def _aside(target: Path) -> Path:
    # A sibling, as only renaming within one file system is atomic; not by `tempfile`, whose files none but the owner
    # can read.
    return target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}{PARTIAL}")


def _real(path: Path | str) -> Path:
    return Path(os.path.realpath(Path(path).expanduser()))


def _flush_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        _flush(descriptor)
    finally:
        os.close(descriptor)


def _flush(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and FUSE file systems cannot; the rename is still whole.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}:
            raise


def _disk_is_full(error: Exception) -> bool:
    if isinstance(error, UserError):
        return False
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    # `safetensors` and `tokenizers` write in Rust, and raise exceptions of their own with the system's message in it.
    return any(f"(os error {number})" in str(error) for number in _FULL)


def _refusal(target: Path, error: OSError) -> UserError:
    if error.errno in _FULL:
        return _full(target)
    reason = (error.strerror or str(error)).lower()
    if in_the_way := next((place for place in target.parents if place.is_file()), None):
        reason = f"{in_the_way} is a file, not a folder"
    return UserError(
        f"it cannot be written ({reason})", where=str(target), fix="choose another place or mend its rights"
    )


def _full(target: Path) -> UserError:
    place = next((folder for folder in target.parents if folder.exists()), Path("/"))
    try:
        free = f"{shutil.disk_usage(place).free / 1e6:,.1f} MB free"
    except OSError:
        free = "no space left"
    return UserError(f"the disk is full ({free})", where=str(target), fix="free some space or choose another place")

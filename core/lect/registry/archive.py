"""A component as one file, ``NAME.lect.tar``: the same component is always the same bytes, and nothing else gets in.

A plain USTAR archive of plain files, in order of their names, without times, owners or rights.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from lect.cache import data_folder
from lect.errors import ComponentError, UserError
from lect.files import folder_aside, folder_beside, write_aside
from lect.registry.model import MAX_FILES, ComponentEntry
from lect.registry.paths import check_file_path, clash
from lect.registry.push import describe
from lect.storage.store import WEIGHTS, read_folder_manifest
from lect.weight_files import check_weights

SUFFIX = ".lect.tar"
BLOCK = tarfile.BLOCKSIZE
COPY_BYTES = 2**20


@dataclass(frozen=True)
class Packed:
    """A component that was packed."""

    entry: ComponentEntry
    file: Path


def pack(component: Path, file: Path) -> Packed:
    """Write a component's archive, whole or not at all.

    Raises:
        ComponentError: the component is broken, or holds what is not to be shared.
        UserError: the file cannot be written.
    """
    entry = describe(component)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for listed in sorted(entry.files, key=lambda each: each.path):
            header = tarfile.TarInfo(listed.path)
            header.size, header.mode = listed.size, 0o644
            try:
                with (component / listed.path).open("rb") as content:
                    archive.addfile(header, content)
            except (OSError, ValueError) as error:
                raise ComponentError(
                    f"cannot be packed ({str(error).lower()})", where=str(component / listed.path)
                ) from error
    write_aside(file, stream.getvalue())
    return Packed(entry, file)


def unpack(file: Path, into: Path | None = None) -> Path:
    """Put an archive's component where stacks find it, checked first.

    Args:
        into: a folder of components; by default the user's.

    Returns:
        The component's folder.

    Raises:
        ComponentError: it is no such archive, is cut short, has names that would leave the folder or that not every
            system tells apart, or holds no sound component.
        UserError: the disk is full, or another component lies there.
    """
    components = into or data_folder() / "components"
    components.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that it is renamed and not copied; a name only the archive's manifest gives.
    with folder_beside(components / "unpacked") as aside:
        _extract(file, aside)
        manifest = read_folder_manifest(aside)
        check_weights(aside / WEIGHTS)
        target = components / manifest.role / f"{manifest.name}@{manifest.version}"
        if target.exists():
            if _same(target, aside):
                return target
            raise UserError(
                f"{manifest.key}@{manifest.version} is there already, with other contents",
                where=str(target),
                fix=f"if the new one is right: lect components remove {manifest.key}@{manifest.version}",
            )
        with folder_aside(target) as final:
            for path in sorted(aside.iterdir()):
                path.rename(final / path.name)
    return target


def _same(first: Path, second: Path) -> bool:
    try:
        return describe(first).files == describe(second).files
    except UserError:
        return False


def _extract(file: Path, folder: Path) -> None:
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            seen = list[str]()
            for name, length in _members(file, stream, size):
                seen.append(name)
                if clash(seen):
                    _refuse(file, f'holds "{name}" twice, in capitals and not, or as file and folder')
                if len(seen) > MAX_FILES:
                    _refuse(file, f"holds more than {MAX_FILES} files")
                _copy(stream, folder / name, length)
    except OSError as error:
        if error.filename is not None and str(error.filename) != str(file):
            raise
        _refuse(file, f"cannot be read ({(error.strerror or str(error)).lower()})")
    if not seen:
        _refuse(file, "is empty")


def _members(file: Path, stream: BinaryIO, size: int) -> Iterator[tuple[str, int]]:
    """Each file's name and length; when it is given the stream stands at the file's first byte."""
    while True:
        block = stream.read(BLOCK)
        if len(block) < BLOCK:
            _refuse(file, "is cut short")
        if not any(block):
            return
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeError, ValueError):
            _refuse(file, "is no archive of a component")
        # Only plain files: no links, devices or folders, and none of the extensions whose headers may be of any size.
        if header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            _refuse(file, "holds something else than plain files")
        try:
            name = check_file_path(header.name)
        except UserError as error:
            _refuse(file, error.what)
        begin = stream.tell()
        if not 0 <= header.size <= size - begin:
            _refuse(file, f'is cut short: "{name}" has {header.size:,} bytes')
        yield name, header.size
        stream.seek(begin + -(-header.size // BLOCK) * BLOCK)


def _copy(stream: BinaryIO, target: Path, length: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        while length:
            block = stream.read(min(COPY_BYTES, length))
            if not block:
                raise OSError("cut short")
            out.write(block)
            length -= len(block)


def _refuse(file: Path, what: str) -> NoReturn:
    raise ComponentError(what, where=str(file), fix="get the archive again, from one who can be trusted")

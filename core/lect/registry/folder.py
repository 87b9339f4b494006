"""The registry in a folder."""

from __future__ import annotations

from pathlib import Path

from lect.errors import RegistryError
from lect.registry.format import FILE, MAX_BYTES, decode_registry
from lect.registry.model import Registry, parse_registry


def read_folder_registry(folder: Path) -> Registry:
    """The registry in a folder. Raises `RegistryError`."""
    file = folder / FILE
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise RegistryError(
            f"cannot be read ({(error.strerror or str(error)).lower()})",
            where=str(file),
            fix=f"name a registry's folder, or start one with: lect registry build {folder}",
        ) from None
    return parse_registry(decode_registry(content, where=str(file)), where=str(file))

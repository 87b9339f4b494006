"""Readers of the plugin `sources`, used in tests as recipes use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lect import DataError, Example, ReaderSpec
from lect.testing.installed import installed_host


def read(reader: str, folder: Path, path: str, **options: Any) -> list[Example]:
    """All rows that a reader gives of a file or folder."""
    spec = installed_host().spec(ReaderSpec, reader)
    return list(spec.read(spec.config(path=path, **options), folder))


def pairs(reader: str, folder: Path, path: str, **options: Any) -> list[tuple[str, str | None]]:
    """The texts and their translations."""
    return [(row.text, row.translation) for row in read(reader, folder, path, **options)]


def refusal(reader: str, folder: Path, path: str, **options: Any) -> str:
    """The one line that is said of what cannot be read."""
    with pytest.raises(DataError) as refused:
        read(reader, folder, path, **options)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    """Write files, with the folders that they are in."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

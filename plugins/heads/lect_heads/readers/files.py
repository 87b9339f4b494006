"""What the heads' readers share: the host's way of reading files, by the names that they use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lect.data.examples import join_words
from lect.data.files import FilesConfig, say
from lect.data.lines import read_lines, without_end

__all__ = ["FilesConfig", "files_of", "join_words", "lines", "say"]


def files_of(config: FilesConfig, folder: Path) -> list[tuple[Path, str]]:
    """Each file, and how messages call it. Raises `DataError` where there is none."""
    return config.files(folder)


def lines(path: Path, where: str) -> Iterator[tuple[int, str]]:
    """The lines of a file from 1 on, without their ends. Raises `DataError` with the line."""
    for number, line in read_lines(path, where):
        yield number, without_end(line)

"""Labelled or parallel rows of files, through the readers of the plugins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lect.data.examples import Example
from lect.host import Host
from lect.host.reading import read_source, source_of


def read(path: str | Path | None = None, reader: str | None = None, **options: Any) -> Sequence[Example]:
    """The rows of a file, as `train`, `predict` and `evaluate` take them.

    Args:
        path: a file, packed or not, or a folder; none for readers that need none, such as ``cldr``.
        reader: by default what the file's ending tells; ``lect plugins`` lists them.
        options: the reader's settings, such as the columns: ``text="tweet", label="mood"``.

    Returns:
        Examples; of a long file they lie on disk, and are read as they are asked for.

    Raises:
        DataError: there is no such file, or a row is wrong: says which.
        UserError: no reader is known for the ending, or an option is none of the reader's.

    Example:
        >>> rows = lect.read("reviews.csv", text="text", label="mood")
        >>> rows[0].text, rows[0].label
        ('a great and happy day', 'good')
        >>> lect.read(reader="cldr", locale="jv", part="test")[0].language
        'jv'
    """
    host = Host.load()
    source = source_of(host, None if path is None else str(path), reader, options)
    return read_source(host, source, Path(), "lect.read").examples

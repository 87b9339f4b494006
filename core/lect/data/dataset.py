"""Examples that were read, and where they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lect.data.cleaning import Counts
from lect.data.examples import CONTENT, Example
from lect.data.guard import Overlap

_ALWAYS = ("text", "label", "text_pair", "translation", "language", "key")
"""The fields that are hashed where they are None, too: as there were no others, once."""


@dataclass(frozen=True)
class Source:
    """Where examples come from: a reader's name and configuration.

    Args:
        corpus: what the keys of its rows are of, where that is stated.
    """

    reader: str
    config: Mapping[str, Any]
    licence: str = ""
    corpus: str = ""

    def __str__(self) -> str:
        what = self.config.get("path") or self.config.get("locale") or ""
        if not what and self.reader == "parallel":
            what = [self.config.get("text", ""), self.config.get("translation", "")]
        paths = [str(path) for path in what] if isinstance(what, (list, tuple)) else [str(what)]
        return f"{self.reader}: {', '.join(paths)}" if what else self.reader


@dataclass(frozen=True)
class Shots:
    """What was drawn of a source.

    Args:
        rows: that it had.
        drawn: by label, the rows that were drawn of it: fewer than asked for where it has no more.
        asked: rows a label.
    """

    rows: int
    drawn: dict[str, int]
    asked: int

    def __str__(self) -> str:
        short = [f"{count} of {label}" for label, count in sorted(self.drawn.items()) if count < self.asked]
        fewer = f" (only {', '.join(short)})" if short else ""
        total = sum(self.drawn.values())
        return f"{total:,} of {self.rows:,} rows drawn, {self.asked} of each of {len(self.drawn)} labels{fewer}"


@dataclass(frozen=True)
class Dataset:
    """Examples and where they came from.

    Args:
        sha256: over every field of every example, in order.
        cleaning: what cleaning found, where there was any.
        overlap: what of it was in the evaluation data, where some is named.
        shots: what was drawn of it, where only so many rows a label are wanted.
        remarks: what the reader did with rows that it could not take as they were, a line each.
    """

    source: Source
    examples: Sequence[Example] = field(repr=False)
    sha256: str
    cleaning: Counts | None = None
    overlap: Overlap | None = None
    shots: Shots | None = None
    remarks: tuple[str, ...] = ()


def digest(examples: Iterable[Example]) -> str:
    """SHA-256 over what the examples say, not over where they stand."""
    state = hashlib.sha256()
    for example in examples:
        always = tuple(getattr(example, name) for name in _ALWAYS)
        values = ((name, _hashed(example, name)) for name in CONTENT if name not in _ALWAYS)
        more = tuple((name, value) for name, value in values if value is not None)
        state.update(repr((*always, *more)).encode("utf-8", "surrogatepass"))
    return state.hexdigest()


def _hashed(example: Example, name: str) -> Any:
    value = getattr(example, name)
    # Whatever the order in which a reader names them.
    return json.dumps(value, sort_keys=True) if name == "extra" and value is not None else value

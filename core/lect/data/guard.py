"""The guard against leakage: training rows that are in an evaluation set, by what they say or by their key."""

from __future__ import annotations

import glob
import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from lect.data.examples import Example
from lect.errors import DataError

Overlaps = Literal["refuse", "drop", "allow"]
Kind = Literal["text", "part", "key"]

SHORTEST_PART = 20
"""The letters and digits that a sentence inside a text, or a second text, must have to be known again: shorter ones
(names, answers, dictionary words) are in many sets."""


@dataclass(frozen=True)
class Match:
    """A training row that is in the evaluation data.

    Args:
        kind: ``text``: it says the same. ``part``: a sentence of it, its second text or its translation does. ``key``:
            it is about the same thing, in whatever language.
        row, evaluated: where both stand.
    """

    kind: Kind
    row: str
    evaluated: str


@dataclass
class Overlap:
    """How many rows of a source are in the evaluation data, by kind, and the first of them."""

    rows: int = 0
    text: int = 0
    part: int = 0
    key: int = 0
    first: Match | None = None

    @property
    def count(self) -> int:
        """The rows that are in the evaluation data."""
        return self.text + self.part + self.key

    def add(self, match: Match) -> None:
        """Count a row."""
        setattr(self, match.kind, getattr(self, match.kind) + 1)
        self.first = self.first or match

    def as_dict(self) -> dict[str, int]:
        """The counts."""
        return {"rows": self.rows, "text": self.text, "part": self.part, "key": self.key}

    def __str__(self) -> str:
        by = {"by text": self.text, "by a part of it": self.part, "by key": self.key}
        kinds = ", ".join(f"{count:,} {how}" for how, count in by.items() if count)
        line = f"{self.count:,} of {self.rows:,} rows are in the evaluation data"
        if self.first is None:
            return line
        return f"{line} ({kinds}; first: {self.first.row} is {self.first.evaluated})"


@dataclass
class Guard:
    """Knows evaluation rows again, whatever their case, spaces and punctuation, and by their key in any language.

    Of each text eight bytes of a hash are kept.
    """

    _texts: dict[bytes, str] = field(default_factory=dict)
    _keys: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, examples: Iterable[Example], corpus: str) -> None:
        """Rows that are never to be trained on.

        Args:
            corpus: keys are only compared with those of the same one.
        """
        for example in examples:
            for text in (fold(example.text), *_parts_of(example, sentences=False)):
                self._texts.setdefault(_hash(text), example.origin)
            if (key := _identity(example)) is not None:
                self._keys.setdefault((corpus, key), example.origin)

    def match(self, example: Example, corpus: str) -> Match | None:
        """How a training row is in the evaluation data, or None."""
        if (found := self._texts.get(_hash(fold(example.text)))) is not None:
            return Match("text", example.origin, found)
        key = _identity(example)
        if key is not None and (found := self._keys.get((corpus, key))) is not None:
            return Match("key", example.origin, found)
        for part in _parts_of(example, sentences=True):
            if (found := self._texts.get(_hash(part))) is not None:
                return Match("part", example.origin, found)
        return None

    def watch(self, examples: Iterable[Example], corpus: str, overlap: Overlap, *, drop: bool) -> Iterator[Example]:
        """The rows, or those of them that are not in the evaluation data; what is found is added to `overlap`."""
        for example in examples:
            overlap.rows += 1
            match = self.match(example, corpus)
            if match is not None:
                overlap.add(match)
            if match is None or not drop:
                yield example


def corpus_of(reader: str, config: Mapping[str, Any], corpus: str) -> str:
    """What keys of a source are compared within: its stated corpus, else what gives the keys, such as ``csv id``.

    Keys of two columns of different names are numbers of different things more often than not.
    """
    return corpus or f"{reader} {config.get('key') or ''}".strip()


def fold(text: str) -> str:
    """A text without case, spaces, punctuation and symbols, in compatibility form: what it says, not how it is set."""
    folded = str(_punctuation().sub("", unicodedata.normalize("NFKC", text).casefold()))
    # What stood apart may be one character now that the space between is gone.
    return folded if folded == text else fold(folded)


def check_files(
    patterns: Sequence[str], sources: Iterable[tuple[str, Mapping[str, Any]]], folder: Path, where: str
) -> None:
    """Refuse a source that reads a guarded file.

    Args:
        patterns: files, and patterns such as ``data/**/test*``.
        sources: the place and the reader's configuration of each.
        folder: what relative paths of both are relative to.

    Raises:
        DataError: a source reads such a file, or a pattern fits none.
    """
    guarded: dict[Path, str] = {}
    for pattern in patterns:
        found = _resolved(pattern, folder)
        if not found:
            raise DataError(f'no file fits "{pattern}"', where=f"{where}.guard", fix="correct it, or leave it out")
        guarded.update(dict.fromkeys(found, pattern))
    for place, config in sources:
        for named in _strings(config):
            for file in _resolved(named, folder):
                if file in guarded:
                    raise DataError(
                        f'"{named}" is guarded by "{guarded[file]}"',
                        where=place,
                        fix="train on something else",
                    )


def _resolved(named: str, folder: Path) -> set[Path]:
    """The files that a path, folder or pattern stands for; none where it is something else."""
    if "\n" in named or "\0" in named or len(named) > 1000:
        return set()
    path = folder / Path(named).expanduser()
    try:
        if path.is_dir():
            return {file.resolve() for file in path.rglob("*") if file.is_file()}
        if path.is_file():
            return {path.resolve()}
    except OSError:
        return set()
    if glob.has_magic(named):
        return {Path(file).resolve() for file in glob.glob(str(path), recursive=True) if Path(file).is_file()}  # noqa: PTH207
    return set()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, Mapping):
        if {"path", "text"} <= value.keys():
            # Moses: two files of one beginning.
            yield from (f"{value['path']}.{value[side]}" for side in ("text", "translation") if side in value)
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _strings(inner)


def _parts_of(example: Example, *, sentences: bool) -> Iterator[str]:
    """The other texts of a row, and the sentences of each text, folded, where they are long enough."""
    others = (example.text_pair, example.translation, example.question, *(example.negatives or ()))
    for text in (example.text, *others):
        if text is None:
            continue
        pieces = [] if text is example.text else [text]
        if sentences:
            split = [piece for piece in _sentence_ends().split(text) if piece]
            pieces += split if len(split) > 1 else []
        for piece in pieces:
            folded = fold(piece)
            if len(folded) >= SHORTEST_PART:
                yield folded


def _identity(example: Example) -> str | None:
    """The key that a row is known again by; questions are numbered anew in many a file, and known by their texts."""
    return None if example.question is not None else example.key


def _hash(folded: str) -> bytes:
    return hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=8).digest()


@lru_cache(maxsize=1)
def _punctuation() -> Any:
    import regex

    return regex.compile(r"[^\p{L}\p{M}\p{N}]+")


@lru_cache(maxsize=1)
def _sentence_ends() -> Any:
    import regex

    # Marks count for nothing in a folded text, so they may go.
    return regex.compile(r"\p{SentenceTerminal}[\p{Pe}\p{Pf}\"']*\s+")

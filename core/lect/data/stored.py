"""Examples that lie in a file and are read where they are used: a long corpus takes no memory to speak of."""

from __future__ import annotations

import json
import os
import tempfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, fields
from itertools import accumulate, chain, islice, repeat
from pathlib import Path
from typing import Any, TypeVar, overload

from lect.cache import cache_folder
from lect.data.examples import TEXTS, Example, Span
from lect.files import full_disk_named

ROWS_IN_MEMORY = 20_000
"""Fewer rows than so many are held as they are."""
_ROWS_A_BATCH = 4096
Item = TypeVar("Item", covariant=True)
_FIELDS = tuple(field.name for field in fields(Example))


def hold(examples: Iterable[Example], rows_in_memory: int = ROWS_IN_MEMORY) -> Sequence[Example]:
    """The examples, each read once: as a tuple, or where they are many in a file that goes with the process."""
    stream = iter(examples)
    first = tuple(islice(stream, rows_in_memory))
    beyond = next(stream, None)
    return first if beyond is None else _StoredExamples(chain(first, [beyond], stream))


def joined(several: Sequence[Sequence[Example]]) -> Sequence[Example]:
    """Several sequences of examples as one, without a copy of what lies in files."""
    if len(several) == 1:
        return several[0]
    if all(isinstance(one, tuple) for one in several):
        return tuple(chain.from_iterable(several))
    return _JoinedExamples(several)


class Texts(Sequence[str]):
    """One field of examples, read as it is asked for; "" where an example has none."""

    def __init__(self, examples: Sequence[Example], field: str) -> None:
        self._examples, self._field = examples, field

    def __len__(self) -> int:
        return len(self._examples)

    def __iter__(self) -> Iterator[str]:
        if isinstance(self._examples, _Examples):
            return self._examples.texts(self._field)
        return (getattr(example, self._field) or "" for example in self._examples)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [getattr(example, self._field) or "" for example in self._examples[index]]
        return getattr(self._examples[index], self._field) or ""


class ByNumber(Sequence[Item]):
    """A sequence of what is made, or read, by its number."""

    def _at(self, row: int) -> Item:
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        if isinstance(index, slice):
            return tuple(self._at(row) for row in range(*index.indices(len(self))))
        # As of any sequence: counted from the end, and an error beyond it.
        return self._at(range(len(self))[index])


class _Examples(ByNumber[Example]):
    """Examples of which one field can be read without the others."""

    def texts(self, field: str) -> Iterator[str]:
        """One field of all examples, "" where one has none."""
        raise NotImplementedError


class _StoredExamples(_Examples):
    def __init__(self, examples: Iterable[Example]) -> None:
        import pyarrow

        folder = cache_folder() / "examples"
        with full_disk_named(folder):
            folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=folder, suffix=".arrow")
        os.close(descriptor)
        try:
            with full_disk_named(folder, Path(name)):
                self._length = _write(Path(name), examples)
            reader = pyarrow.ipc.open_file(pyarrow.memory_map(name))
        finally:
            # What is mapped stays until the last process that uses it has ended, whatever ends it.
            Path(name).unlink(missing_ok=True)
        # Of each batch the fields that some row has: most corpora have few of them.
        self._batches = [
            {name: column for name, column in zip(_FIELDS, batch, strict=True) if column.null_count < len(column)}
            for batch in map(reader.get_batch, range(reader.num_record_batches))
        ]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Example]:
        for batch in self._batches:
            yield from (_example(batch, values) for values in zip(*map(_listed, batch.values()), strict=True))

    def texts(self, field: str) -> Iterator[str]:
        for number, batch in enumerate(self._batches):
            if field in batch:
                yield from (value or "" for value in _listed(batch[field]))
            else:
                yield from repeat("", min(_ROWS_A_BATCH, self._length - number * _ROWS_A_BATCH))

    def _at(self, row: int) -> Example:
        batch, place = self._batches[row // _ROWS_A_BATCH], row % _ROWS_A_BATCH
        return _example(batch, [column[place].as_py() for column in batch.values()])


class _JoinedExamples(_Examples):
    def __init__(self, several: Sequence[Sequence[Example]]) -> None:
        self._several = tuple(several)
        self._starts = list(accumulate((len(one) for one in several), initial=0))

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[Example]:
        return chain.from_iterable(self._several)

    def texts(self, field: str) -> Iterator[str]:
        return chain.from_iterable(Texts(one, field) for one in self._several)

    def _at(self, row: int) -> Example:
        number = bisect_right(self._starts, row) - 1
        return self._several[number][row - self._starts[number]]


def _write(path: Path, examples: Iterable[Example]) -> int:
    import pyarrow

    schema = pyarrow.schema([(name, pyarrow.large_string()) for name in _FIELDS])
    stream, count = iter(examples), 0
    with pyarrow.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_file(sink, schema) as writer:
        while some := list(islice(stream, _ROWS_A_BATCH)):
            columns: list[Any] = [
                pyarrow.array([_written(example, name) for example in some], pyarrow.large_string()) for name in _FIELDS
            ]
            writer.write_batch(pyarrow.record_batch(columns, schema=schema))
            count += len(some)
    return count


def _written(example: Example, name: str) -> str | None:
    value: Any = getattr(example, name)
    if value is None or name in TEXTS:
        return None if value is None else str(value)
    return json.dumps([astuple(span) for span in value] if name == "answers" else value)


def _listed(column: Any) -> list[str | None]:
    found: list[str | None] = column.to_pylist()
    return found


def _example(names: Iterable[str], values: Iterable[str | None]) -> Example:
    return Example(**{name: _read(name, value) for name, value in zip(names, values, strict=True)})


def _read(name: str, value: str | None) -> Any:
    if value is None or name in TEXTS:
        return value
    found = json.loads(value)
    if name == "answers":
        return tuple(Span(*span) for span in found)
    return (
        tuple(tuple(each) if isinstance(each, list) else each for each in found) if isinstance(found, list) else found
    )

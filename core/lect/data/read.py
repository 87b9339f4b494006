"""Examples of a recipe's or command's data tables, read through the plugins' readers and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.data.cleaning import Counts
from lect.data.examples import Example
from lect.data.files import say
from lect.data.guard import Overlap
from lect.data.label_forms import LabelForms
from lect.data.stored import hold
from lect.errors import DataError

if TYPE_CHECKING:
    from lect.data.shots import Shots
    from lect.host import Host


_COLUMNS = ("label", "text_pair", "translation", "key")
_MORE = (
    *("labels", "value", "words", "places", "tags", "heads", "relations"),
    *("question", "answers", "choices", "negatives"),
)


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
    examples: Sequence[Example]
    sha256: str
    cleaning: Counts | None = None
    overlap: Overlap | None = None
    shots: Shots | None = None
    remarks: tuple[str, ...] = ()


def read_source(
    host: Host,
    source: Source,
    folder: Path,
    where: str,
    needs: Sequence[str] = (),
    keep: Callable[[Iterable[Example]], Iterable[Example]] = iter,
) -> Dataset:
    """All examples of a source. Labels that are nearly one are said.

    Args:
        folder: relative paths are relative to it.
        where: quoted in messages, such as ``recipe.toml, data.train``.
        needs: fields that every example must have.
        keep: the examples to keep of all, as they come.

    Raises:
        DataError: the data is wrong, lacks a field that is needed, or is empty.
    """
    config = host.validate_config("reader", source.reader, source.config, where)
    forms = LabelForms()
    with host.attributed(host.provided("reader", source.reader)) as spec:
        remarks: list[str] = []
        rows = forms.watch(_read(spec.read(config, folder), remarks))
        examples = hold(keep(_checked(rows, needs, where)))
    if forms.alike():
        say(f"{source}: {forms}")
    if not examples:
        raise DataError("no examples", where=f"{where} ({source})", fix="name a source that has some")
    return Dataset(source, examples, digest(examples), remarks=tuple(remarks))


def stream_source(host: Host, source: Source, folder: Path, where: str) -> Iterator[Example]:
    """The examples of a source as they come, none kept. Raises as `read_source`, when it is gone through."""
    config = host.validate_config("reader", source.reader, source.config, where)
    none = True
    with host.attributed(host.provided("reader", source.reader)) as spec:
        for example in spec.read(config, folder):
            none = False
            yield example
    if none:
        raise DataError("no examples", where=f"{where} ({source})", fix="name a source that has some")


def digest(examples: Iterable[Example]) -> str:
    """SHA-256 over what the examples say, not over where they stand."""
    state = hashlib.sha256()
    for example in examples:
        fields = (example.text, example.label, example.text_pair, example.translation, example.language, example.key)
        # Rows that have no more than these keep the hash that they had before there were others.
        more = tuple((name, value) for name in _MORE if (value := getattr(example, name)) is not None)
        state.update(repr((*fields, *more)).encode("utf-8", "surrogatepass"))
    return state.hexdigest()


def _read(examples: Iterable[Example], remarks: list[str]) -> Iterator[Example]:
    """The examples; the lines that a generator returns at its end are added to the remarks."""
    iterator = iter(examples)
    while True:
        try:
            example = next(iterator)
        except StopIteration as end:
            remarks += end.value or ()
            return
        yield example


def _checked(examples: Iterable[Example], needs: Sequence[str], where: str) -> Iterable[Example]:
    for example in examples:
        for field in needs:
            if getattr(example, field) is None:
                located = example if example.origin else replace(example, origin=where)
                raise located.lacking(
                    field,
                    f'name its column with {field} = "…" in {where}'
                    if field in _COLUMNS
                    else f"name a reader that gives {field} in {where}",
                )
        yield example

"""Examples of a recipe's or command's data tables, read through the plugins' readers and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.data.examples import Example
from lect.data.stored import hold
from lect.errors import DataError

if TYPE_CHECKING:
    from lect.host import Host


@dataclass(frozen=True)
class Source:
    """Where examples come from: a reader's name and configuration."""

    reader: str
    config: Mapping[str, Any]
    licence: str = ""

    def __str__(self) -> str:
        what = self.config.get("path") or self.config.get("locale") or ""
        paths = [str(path) for path in what] if isinstance(what, (list, tuple)) else [str(what)]
        return f"{self.reader}: {', '.join(paths)}" if what else self.reader


@dataclass(frozen=True)
class Dataset:
    """Examples and where they came from.

    Args:
        sha256: over every field of every example, in order.
    """

    source: Source
    examples: Sequence[Example]
    sha256: str


def read_source(host: Host, source: Source, folder: Path, where: str, needs: Sequence[str] = ()) -> Dataset:
    """All examples of a source.

    Args:
        folder: relative paths are relative to it.
        where: quoted in messages, such as ``recipe.toml, data.train``.
        needs: fields that every example must have.

    Raises:
        DataError: the data is wrong, lacks a field that is needed, or is empty.
    """
    config = host.validate_config("reader", source.reader, source.config, where)
    with host.attributed(host.provided("reader", source.reader)) as spec:
        examples = hold(_checked(spec.read(config, folder), needs, where))
    if not examples:
        raise DataError("no examples", where=f"{where} ({source})", fix="name a source that has some")
    return Dataset(source, examples, digest(examples))


def digest(examples: Iterable[Example]) -> str:
    """SHA-256 over what the examples say, not over where they stand."""
    state = hashlib.sha256()
    for example in examples:
        fields = (example.text, example.label, example.text_pair, example.translation, example.language, example.key)
        state.update(repr(fields).encode("utf-8", "surrogatepass"))
    return state.hexdigest()


def _checked(examples: Iterable[Example], needs: Sequence[str], where: str) -> Iterable[Example]:
    for example in examples:
        for field in needs:
            if getattr(example, field) is None:
                raise DataError(
                    f"the row has no {field}",
                    where=example.origin or where,
                    fix=f'name its column with {field} = "…" in {where}',
                )
        yield example

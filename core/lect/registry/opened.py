"""Registries ready to be asked: each with its index, in the user's order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lect.errors import RegistryError, nearest
from lect.registry.format import FILE
from lect.registry.index import Index, index_of
from lect.registry.settings import KnownRegistry, known_registries
from lect.registry.sources import Report, Source, fetch, parse_source, read_offer

if TYPE_CHECKING:
    from lect.registry.blobs import Blobs
    from lect.registry.model import ComponentEntry, FileEntry


@dataclass(frozen=True)
class OpenRegistry:
    """A registry that can be asked.

    Args:
        sources: where its files are, in the order in which they are tried.
        offline: whether only what is on this machine is used.
    """

    known: KnownRegistry
    sources: tuple[Source, ...]
    index: Index
    offline: bool

    @property
    def name(self) -> str:
        """What the user calls it."""
        return self.known.name

    def place(self, entry: ComponentEntry, file: FileEntry, target: Path, blobs: Blobs) -> bool:
        """Put a component's file at `target`, from the cache or from wherever it can be had; whether it was fetched.

        Raises:
            RegistryError: no source gives the file as it is listed.
            UserError: the disk is full, or the cache cannot be written.
        """
        path = f"{entry.place}/{file.path}"
        problem: RegistryError | None = None
        for source in self.sources:
            try:
                return blobs.place(file, target, fetch(source, path, offline=self.offline), source.file(path))
            except RegistryError as error:
                problem = problem or error
        assert problem is not None
        raise problem


def open_registries(
    names: Sequence[str | KnownRegistry] = (), *, offline: bool, report: Report, max_age: float = 0
) -> list[OpenRegistry]:
    """Every registry that the user knows, or these (by name, place or as they are), in order.

    Args:
        report: told of registries that cannot be read; unless they were named, the others do.
        max_age: for so many seconds a server is not asked again.

    Raises:
        RegistryError: one that was named cannot be read, or none can.
    """
    every = known_registries()
    chosen = [_named(name, every) if isinstance(name, str) else name for name in names] or list(every)
    opened, failed = [], list[RegistryError]()
    for known in chosen:
        try:
            opened.append(_open(known, offline, report, max_age))
        except RegistryError as error:
            if names:
                raise
            failed.append(error)
    if failed and not any(registry.known in every[:-1] for registry in opened):
        raise failed[0]
    for problem in failed:
        report(f"{problem}; it is left out")
    return opened


def _named(name: str, every: Sequence[KnownRegistry]) -> KnownRegistry:
    for known in every:
        if known.name == name:
            return known
    if "/" in name or name.startswith(("hf:", "file:", ".")) or Path(name, FILE).is_file():
        return KnownRegistry(name="given", source=name)
    raise RegistryError(f'there is no registry "{name}"', fix=nearest(name, [known.name for known in every]))


def _open(known: KnownRegistry, offline: bool, report: Report, max_age: float) -> OpenRegistry:
    problem: RegistryError | None = None
    places: Sequence[Callable[[], Source]] = [
        lambda place=place: parse_source(place)  # type: ignore[misc]
        for place in (known.source, *known.mirrors)
    ]
    sources, index = list[Source](), None
    for parse in places:
        try:
            source = parse()
            if index is None:
                offer = read_offer(source, offline=offline, report=report, max_age=max_age)
                if known.key is not None:
                    from lect.registry.listing import check_listing

                    check_listing(known, offer, offline=offline)
                source, index = offer.source, index_of(offer.content, where=source.file(FILE))
            sources.append(source)
        except RegistryError as error:
            problem = problem or error
    if index is None:
        assert problem is not None
        raise problem
    return OpenRegistry(known, tuple(sources), index, offline)

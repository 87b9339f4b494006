"""Registries ready to be asked: each with its index, in the user's order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lect.composition.references import Reference
from lect.errors import nearest
from lect.registry.blobs import Blobs
from lect.registry.index import Index, index_of
from lect.registry.model import FILE, ComponentEntry, FileEntry, RegistryError
from lect.registry.settings import KnownRegistry, known_registries
from lect.registry.sources import Report, Source, fetch, parse_source, read_offer
from lect.versions import matches, newest


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


@dataclass(frozen=True)
class Wanted:
    """A component that is to be pulled, and from where."""

    entry: ComponentEntry
    registry: OpenRegistry


def open_registries(names: Sequence[str | KnownRegistry] = (), *, offline: bool, report: Report) -> list[OpenRegistry]:
    """Every registry that the user knows, or these (by name, place or as they are), in order.

    Args:
        report: told of registries that cannot be read; unless they were named, the others do.

    Raises:
        RegistryError: one that was named cannot be read, or none can.
    """
    every = known_registries()
    chosen = [_named(name, every) if isinstance(name, str) else name for name in names] or list(every)
    opened, failed = [], list[RegistryError]()
    for known in chosen:
        try:
            opened.append(_open(known, offline, report))
        except RegistryError as error:
            if names:
                raise
            failed.append(error)
    if failed and not any(registry.known in every[:-1] for registry in opened):
        raise failed[0]
    for problem in failed:
        report(f"{problem}; it is left out")
    return opened


def find(reference: Reference, registries: Sequence[OpenRegistry], *, yanked: bool = False, report: Report) -> Wanted:
    """The newest version that a reference means, from the first registry that has one.

    Args:
        yanked: whether one that its publisher withdrew will do; a warning says so.

    Raises:
        RegistryError: there is none; says what there is instead.
    """
    seen, withdrawn = list[str](), list[ComponentEntry]()
    for registry in registries:
        entries = {entry.version: entry for entry in registry.index.versions(reference.key)}
        seen += entries
        usable = [version for version, entry in entries.items() if entry.yanked is None or yanked]
        if version := newest(usable, reference.version):
            entry = entries[version]
            if entry.yanked is not None:
                report(f"{entry.reference} was withdrawn: {entry.yanked}")
            return Wanted(entry, registry)
        withdrawn += [
            entry
            for entry in entries.values()
            if entry.yanked is not None and matches(entry.version, reference.version)
        ]
    where = f"registries {', '.join(registry.name for registry in registries)}"
    if withdrawn:
        raise RegistryError(
            f"{withdrawn[0].reference} was withdrawn: {withdrawn[0].yanked}",
            where=where,
            fix="choose another version, or add --yanked to pull it all the same",
        )
    if seen:
        raise RegistryError(
            f'there is "{reference.key}" only in version {", ".join(dict.fromkeys(seen))}, not {reference.version}',
            where=where,
            fix="choose one of these",
        )
    close = nearest(reference.key, {key for registry in registries for key in registry.index.keys()})  # noqa: SIM118
    raise RegistryError(
        f'there is no component "{reference.key}"',
        where=where,
        fix=close if close.startswith("did you mean") else "look for one with: lect search --language TAG",
    )


def with_members(wanted: Wanted, registries: Sequence[OpenRegistry], report: Report) -> Iterator[Wanted]:
    """A component and all that it stands on, each once. Raises as `find`."""
    from lect.composition.stack import parse_stack

    waiting, seen = [wanted], set[str]()
    while waiting:
        current = waiting.pop(0)
        if current.entry.reference in seen:
            continue
        seen.add(current.entry.reference)
        yield current
        for member in current.entry.members:
            atom = parse_stack(member.component).parts[0]
            if isinstance(atom, Reference):
                exact = Reference(atom.role, atom.name, member.version)
                waiting.append(find(exact, registries, yanked=True, report=report))


def _named(name: str, every: Sequence[KnownRegistry]) -> KnownRegistry:
    for known in every:
        if known.name == name:
            return known
    if "/" in name or name.startswith(("hf:", "file:", ".")):
        return KnownRegistry(name="given", source=name)
    raise RegistryError(f'there is no registry "{name}"', fix=nearest(name, [known.name for known in every]))


def _open(known: KnownRegistry, offline: bool, report: Report) -> OpenRegistry:
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
                offer = read_offer(source, offline=offline, report=report)
                source, index = offer.source, index_of(offer.content, where=source.file(FILE))
            sources.append(source)
        except RegistryError as error:
            problem = problem or error
    if index is None:
        assert problem is not None
        raise problem
    return OpenRegistry(known, tuple(sources), index, offline)

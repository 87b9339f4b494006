"""Which component of which registry a reference means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lect.composition.references import Reference
from lect.errors import RegistryError, nearest
from lect.registry.model import ComponentEntry
from lect.registry.opened import OpenRegistry
from lect.registry.sources import Report
from lect.versions import matches, newest


@dataclass(frozen=True)
class Wanted:
    """A component that is to be pulled, and from where."""

    entry: ComponentEntry
    registry: OpenRegistry


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

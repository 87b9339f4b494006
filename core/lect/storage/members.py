"""The components that a component stands on, as a fusion does: found by name, and held to the very state recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from lect.composition.references import Reference
from lect.composition.stack import Atom, parse_stack
from lect.errors import ComponentError, StackError
from lect.storage.manifest import MemberEntry
from lect.storage.nesting import Member, check_alike
from lect.storage.store import StoredComponent, read_component, weights_hash

Find = Callable[[Atom], Path]


MOST_RUN = 256
"""The most components that one may stand on, each counted as often as it is run."""
DEEPEST = 32


class _Read:
    """What was read already, by folder: a component that many stand on is read, and its weights hashed, once."""

    def __init__(self) -> None:
        self.components: dict[Path, StoredComponent] = {}
        self.hashes: dict[Path, str] = {}
        self.run: dict[Path, int] = {}

    def hash_of(self, folder: Path) -> str:
        key = folder.resolve()
        if key not in self.hashes:
            self.hashes[key] = weights_hash(folder)
        return self.hashes[key]


def read_with_members(
    atom: Atom, find: Find, path: tuple[tuple[str, Path], ...] = (), read: _Read | None = None
) -> StoredComponent:
    """The component of this name, and all that it stands on, and so on.

    Args:
        find: gives the folder of a component.
        path: what stands on this one, as it is named and lies.
        read: what was read already.

    Raises:
        ComponentError: one is missing, broken, or no longer what it was.
        StackError: one stands on itself, or on more than can be run.
    """
    read = read or _Read()
    folder = find(atom)
    # Members are found in the version that is recorded, and called by the name that is.
    own = atom.key if path and isinstance(atom, Reference) else str(atom)
    beneath = (*path, (own, folder.resolve()))
    if any(folder.resolve() == other for _, other in path):
        refuse_cycle([name for name, _ in beneath])
    place = folder.resolve()
    if place in read.components:
        return read.components[place]
    if len(beneath) > DEEPEST:
        _refuse_too_many(beneath[0][0], f"others that stand on others, more than {DEEPEST} deep")
    stored = read_component(folder)
    members = {}
    read.run[place] = 1
    for entry in stored.manifest.members:
        member = _recorded(entry, find)
        members[entry.component] = _checked(
            entry,
            lambda member=member: read_with_members(member, find, beneath, read),  # type: ignore[misc]
            str(atom),
            read,
        )
        read.run[place] += read.run[members[entry.component].folder.resolve()]
        if read.run[place] > MOST_RUN:
            _refuse_too_many(own, f"more than {MOST_RUN} others, each counted as often as it would be run")
    read.components[place] = replace(stored, members=members)
    return read.components[place]


def read_members(names: Sequence[str], find: Find, own: str, where: str) -> dict[str, StoredComponent]:
    """The components that a new one is to stand on.

    Args:
        names: as a configuration has them.
        own: the new one's key.
        where: the place in the recipe, for messages.

    Raises:
        ComponentError: one is missing or broken.
        StackError: they are not alike, or one of them stands on the new one.
    """
    found: dict[str, StoredComponent] = {}
    for name in names:
        found[name] = read_with_members(parse_stack(name).parts[0], find)  # type: ignore[arg-type]
        if way := _way_to(own, found[name]):
            refuse_cycle([own, *way], where)
    members = [Member(name, stored.manifest) for name, stored in found.items()]
    check_alike(members, "a fusion", where, one_method=True)
    if own.startswith("lang:") and members[0].manifest.role == "task":
        raise StackError(
            f'"{own}" is a language, and "{members[0].text}" a task', where=where, fix='set component.role = "task"'
        )
    return found


def member_entries(stored: Mapping[str, StoredComponent]) -> tuple[MemberEntry, ...]:
    """What a manifest says of these components, by the names it has for them."""
    return tuple(
        MemberEntry(
            component=name,
            version=each.manifest.version,
            licence=each.manifest.licence,
            weights=weights_hash(each.folder),
        )
        for name, each in stored.items()
    )


def refuse_cycle(way: Sequence[str], where: str | None = None) -> NoReturn:
    """Refuse what stands on itself. Raises `StackError`."""
    # Quotation marks inside an f-string's expression are no Python 3.10.
    way_text = " over ".join(f'"{name}"' for name in way)
    raise StackError(
        f"a component cannot stand on itself: {way_text}",
        where=where,
        fix="give the new one another name, or leave that one out",
    )


def _refuse_too_many(owner: str, what: str) -> NoReturn:
    raise StackError(f'"{owner}" stands on {what}', fix="use one that stands on fewer")


def _recorded(entry: MemberEntry, find: Find) -> Atom:
    """The member in the version that is recorded where that is there, else whatever has its name."""
    member: Atom = parse_stack(entry.component).parts[0]  # type: ignore[assignment]
    if isinstance(member, Reference) and member.version is None:
        exact = replace(member, version=entry.version)
        with suppress(ComponentError):
            find(exact)
            return exact
    return member


def _way_to(key: str, stored: StoredComponent, seen: set[Path] | None = None) -> list[str]:
    """The keys from a component down to one of this key; empty where it is not beneath."""
    seen = set() if seen is None else seen
    if stored.manifest.key == key:
        return [key]
    if stored.folder in seen:
        return []
    seen.add(stored.folder)
    for member in stored.members.values():
        if way := _way_to(key, member, seen):
            return [stored.manifest.key, *way]
    return []


def _checked(entry: MemberEntry, read: Callable[[], StoredComponent], owner: str, known: _Read) -> StoredComponent:
    what = f'"{owner}" stands on "{entry.component}" {entry.version}'
    try:
        member = read()
    except ComponentError as error:
        place = f"{error.where}: " if error.where else ""
        raise ComponentError(
            f"{what}, which cannot be read: {place}{error.what}",
            fix=f'put "{entry.component}" {entry.version} there, with weights of SHA-256 {entry.weights}',
        ) from error
    if member.manifest.version != entry.version:
        raise ComponentError(
            f"{what}, and what is there is {member.manifest.version}",
            where=str(member.folder),
            fix=f'put version {entry.version} there, or train "{owner}" again',
        )
    if (found := known.hash_of(member.folder)) != entry.weights:
        raise ComponentError(
            f"{what} with weights of SHA-256 {entry.weights}, and what is there has {found}: it was trained again",
            where=str(member.folder),
            fix=f'put the former one there, or train "{owner}" again',
        )
    return member

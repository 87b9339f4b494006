"""The components that a component stands on, as a fusion does: found by name, and held to the very state recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from lect.components.manifest import MemberEntry
from lect.components.store import StoredComponent, read_component, weights_hash
from lect.composition.references import Reference
from lect.composition.rules import Member, check_alike
from lect.composition.stack import Atom, parse_stack
from lect.errors import ComponentError, StackError

Find = Callable[[Atom], Path]


def read_with_members(atom: Atom, find: Find, path: tuple[tuple[str, Path], ...] = ()) -> StoredComponent:
    """The component of this name, and all that it stands on, and so on.

    Args:
        find: gives the folder of a component.
        path: what stands on this one, as it is named and lies.

    Raises:
        ComponentError: one is missing, broken, or no longer what it was.
        StackError: one stands on itself.
    """
    folder = find(atom)
    # Members are found in the version that is recorded, and called by the name that is.
    own = atom.key if path and isinstance(atom, Reference) else str(atom)
    beneath = (*path, (own, folder.resolve()))
    if any(folder.resolve() == other for _, other in path):
        refuse_cycle([name for name, _ in beneath])
    stored = read_component(folder)
    members = {}
    for entry in stored.manifest.members:
        member = _recorded(entry, find)
        members[entry.component] = _checked(
            entry,
            lambda member=member: read_with_members(member, find, beneath),  # type: ignore[misc]
            str(atom),
        )
    return replace(stored, members=members)


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


def _recorded(entry: MemberEntry, find: Find) -> Atom:
    """The member in the version that is recorded where that is there, else whatever has its name."""
    member: Atom = parse_stack(entry.component).parts[0]  # type: ignore[assignment]
    if isinstance(member, Reference) and member.version is None:
        exact = replace(member, version=entry.version)
        with suppress(ComponentError):
            find(exact)
            return exact
    return member


def _way_to(key: str, stored: StoredComponent) -> list[str]:
    """The keys from a component down to one of this key; empty where it is not beneath."""
    if stored.manifest.key == key:
        return [key]
    for member in stored.members.values():
        if way := _way_to(key, member):
            return [stored.manifest.key, *way]
    return []


def _checked(entry: MemberEntry, read: Callable[[], StoredComponent], owner: str) -> StoredComponent:
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
    if (found := weights_hash(member.folder)) != entry.weights:
        raise ComponentError(
            f"{what} with weights of SHA-256 {entry.weights}, and what is there has {found}: it was trained again",
            where=str(member.folder),
            fix=f'put the former one there, or train "{owner}" again',
        )
    return member

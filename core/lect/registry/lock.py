"""``lect.lock``: a stack's components, pinned to versions and hashes, to be had again elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from lect.composition.references import Reference
from lect.composition.stack import StackText, parse_stack
from lect.errors import ComponentError, RecipeError, RegistryError, StackError
from lect.fields import Line, tuple_of
from lect.files import write_aside
from lect.registry.find import Wanted
from lect.registry.model import ComponentEntry, content_hash
from lect.registry.opened import OpenRegistry
from lect.registry.push import describe
from lect.registry.record import read_record
from lect.registry.sources import Report
from lect.storage.library import Library
from lect.storage.manifest import Entry

FILE = "lect.lock"
SCHEMA = 1


class LockedComponent(Entry):
    """A component in the very state that was locked.

    Args:
        source: the registry it was pulled from; "" where it was made here.
    """

    source: Line = ""
    entry: ComponentEntry


class Lock(Entry):
    """The contents of a ``lect.lock``.

    Args:
        stack: with exact versions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    stack: StackText
    components: Annotated[tuple[LockedComponent, ...], BeforeValidator(tuple_of)] = Field(alias="component")


def lock_stack(text: str, library: Library) -> Lock:
    """Pin a stack to what it means now, with all that its components stand on.

    Raises:
        StackError: it names folders, which nobody else has.
        ComponentError: a component is not there, or not sound.
    """
    exact, locked = text, dict[str, LockedComponent]()
    waiting = list(parse_stack(text).atoms)
    for atom in waiting:
        if not isinstance(atom, Reference):
            raise StackError(f'"{atom}" is a folder, which nobody else has', fix="name a component by role and name")
    written = set(map(str, waiting))
    while waiting:
        atom = waiting.pop(0)
        folder = library.find(atom)
        entry = describe(folder)
        if str(atom) in written and isinstance(atom, Reference):
            exact = re.sub(rf"{re.escape(str(atom))}(?![\w.@<>=~^!-])", entry.reference, exact)
        if entry.reference in locked:
            continue
        record = read_record(folder)
        locked[entry.reference] = LockedComponent(source=record.source if record else "", entry=entry)
        for member in entry.members:
            [needed] = parse_stack(member.component).atoms
            if isinstance(needed, Reference):
                waiting.append(Reference(needed.role, needed.name, member.version))
    return Lock(stack=exact, component=tuple(locked.values()))


def write_lock(lock: Lock, file: Path) -> None:
    """Write a lock. Raises `UserError` where it cannot be written."""
    from lect.toml import toml_text

    values = lock.model_dump(by_alias=True, exclude_none=True)
    write_aside(file, "# Made by `lect lock`; `lect pull --locked` fetches it.\n" + toml_text(values))


def read_lock(file: Path) -> Lock:
    """The lock in a file. Raises `RegistryError` where it is none."""
    from lect.toml import read_toml
    from lect.validation import validate_model

    values = read_toml(file, RegistryError)
    if values.get("schema") != SCHEMA:
        raise RegistryError(f"is of schema {values.get('schema')}", where=str(file), fix="upgrade lect")
    try:
        return validate_model(Lock, values, str(file))
    except RecipeError as error:
        raise error.at(RegistryError) from None


def wanted_by(lock: Lock, registries: Sequence[OpenRegistry], library: Library, report: Report) -> list[Wanted]:
    """What has to be pulled, each from the first registry that has it with the very same hashes.

    Raises:
        RegistryError: none has.
    """
    wanted = []
    for locked in lock.components:
        digest = content_hash(locked.entry)
        if _is_here(locked.entry, digest, library):
            continue
        offers = [
            Wanted(entry, registry)
            for registry in registries
            for entry in registry.index.versions(locked.entry.key)
            if content_hash(entry) == digest
        ]
        if not offers:
            came = f"; it came from {locked.source}" if locked.source else "; it was made where the stack was locked"
            raise RegistryError(
                f"no registry has {locked.entry.reference} with the hashes that are locked{came}",
                where=f"registries {', '.join(registry.name for registry in registries)}",
                fix=f"lect registry add {locked.source}" if locked.source else "push it to a registry first",
            )
        if offers[0].entry.yanked:
            report(f"{locked.entry.reference} was withdrawn: {offers[0].entry.yanked}")
        wanted.append(offers[0])
    return wanted


def _is_here(entry: ComponentEntry, digest: str, library: Library) -> bool:
    try:
        folder = library.find(Reference(entry.role, entry.name, entry.version))
        return content_hash(describe(folder)) == digest
    except ComponentError:
        return False

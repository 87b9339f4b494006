"""Components from and for others: search, pull and push."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lect.api.components import SavedComponent
from lect.composition.stack import Atom, Reference, parse_stack
from lect.errors import StackError, UserError
from lect.registry.find import Wanted, find, with_members
from lect.registry.index import Query, canonical_tag
from lect.registry.opened import OpenRegistry, open_registries
from lect.registry.pull import pull as pull_one
from lect.registry.sources import Report, is_offline


def pull(
    reference: str, *, registry: str | Sequence[str] | None = None, library: str | Path | None = None
) -> SavedComponent:
    """Fetch a component, check it, and put it where stacks find it, with those that it stands on.

    Args:
        reference: such as ``lang:mad``, ``lang:mad@1.2`` or ``lang:mad@^1``.
        registry: the name, folder or address of one; by default all that are known.
        library: the folder of components; by default the user's.

    Raises:
        RegistryError: it is nowhere offered, or is not what is listed.
        ComponentError: what was fetched is no sound component.

    Example:
        >>> lect.pull("task:sentiment", registry="./our-registry", library="pulled").folder.as_posix()
        'pulled/task/sentiment@1.0.0'
    """
    wanted = wanted_of([reference], open_named(_listed(registry), report=_log), False, _log)
    done = [pull_one(each, into=None if library is None else Path(library)) for each in wanted]
    return SavedComponent.read(done[0].folder)


def search(
    *words: str,
    language: str | None = None,
    task: str | None = None,
    role: str | None = None,
    backbone: str | None = None,
    registry: str | Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Components that the registries offer, a dictionary each, as ``lect search --json`` prints them.

    Args:
        words: that must occur.
        language: a tag or name: ``jv``, ``Javanese``.
        task: a word of the task, such as ``sentiment``.
        role: ``lang`` or ``task``.
        backbone: the name of the one that they are for.
        registry: the name, folder or address of one; by default all that are known.

    Raises:
        RegistryError: a registry cannot be read.

    Example:
        >>> [found["name"] for found in lect.search("sentiment", registry="./our-registry")]
        ['sentiment']
    """
    opened = open_named(_listed(registry), report=_log)
    tag = None if language is None else canonical_tag((each.index for each in opened), language)
    query = Query(tuple(words), role, tag, task, backbone, False)
    return [{"registry": each.name, **json.loads(record)} for each in opened for record in each.index.search(query)]


# ----------------------------------------------------------------------------------------- what commands need besides


def _log(message: str) -> None:
    logging.getLogger("lect").warning("%s", message)


def _listed(registry: str | Sequence[str] | None) -> Sequence[str] | None:
    return [registry] if isinstance(registry, str) else registry


def wanted_of(references: Sequence[str], opened: Sequence[OpenRegistry], yanked: bool, report: Report) -> list[Wanted]:
    """The components that references name, and those that they stand on. Raises `UserError`."""
    atoms = atoms_of(references)
    if not atoms:
        raise UserError("nothing is named that could be pulled", fix="name a component: lect pull lang:mad")
    wanted: dict[str, Wanted] = {}
    for atom in atoms:
        if not isinstance(atom, Reference):
            raise StackError(f'"{atom}" is a folder, and needs no pulling', fix="name it in a stack as it is")
        for each in with_members(find(atom, opened, yanked=yanked, report=report), opened, report):
            wanted.setdefault(each.entry.reference, each)
    return list(wanted.values())


def open_named(
    names: Sequence[str] | None, offline: bool = False, max_age: float = 0, report: Report = _log
) -> list[OpenRegistry]:
    """The registries of these names or places, or all that the user knows. Raises `RegistryError`."""
    return open_registries(names or (), offline=offline or is_offline(), report=report, max_age=max_age)


def atoms_of(references: Sequence[str]) -> list[Atom]:
    """Every component that references name, once."""
    return list(dict.fromkeys(atom for text in references for atom in parse_stack(text).atoms))

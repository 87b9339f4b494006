"""Keeping a registry in a folder: starting it, entering what lies there, and withdrawing versions."""

from __future__ import annotations

from pathlib import Path

from lect.composition.references import Reference
from lect.composition.stack import parse_stack
from lect.errors import RegistryError
from lect.files import write_aside
from lect.registry.entries import new_registry_text, with_field
from lect.registry.folder import read_folder_registry
from lect.registry.format import FILE
from lect.registry.listing import sign_listing
from lect.registry.model import ComponentEntry, canonical_version, parse_registry
from lect.registry.push import Key, locked, push
from lect.registry.signing import check_secret


def build_registry(folder: Path) -> list[ComponentEntry]:
    """Start a registry where there is none, and enter every component of ``components/<role>/<name>/<version>``.

    Returns:
        What was entered.

    Raises:
        RegistryError: a component lies elsewhere than its name and version say.
        ComponentError: a component is broken, or does not say what others need to know.
    """
    if not (folder / FILE).exists():
        write_aside(folder / FILE, new_registry_text())
    listed = {(folder / entry.place).resolve() for entry in read_folder_registry(folder).components}
    added = []
    for place in sorted((folder / "components").glob("*/*/*")):
        if not place.is_dir() or place.name.startswith(".") or place.resolve() in listed:
            continue
        # Of what lies there already `lect registry check` tells.
        pushed = push(place, folder, checks_card=False)
        if pushed.folder.resolve() != place.resolve():
            raise RegistryError(
                f"holds {pushed.entry.reference}, which was entered at {pushed.folder}",
                where=str(place),
                fix="remove this folder",
            )
        added.append(pushed.entry)
    return added


def withdraw(folder: Path, reference: str, reason: str | None, key: Key | None = None) -> ComponentEntry:
    """Say of a version why nobody should use it any more; or, without a reason, that it can be used again.

    Args:
        key: what the listing is signed with.

    Raises:
        RegistryError: the registry does not list it.
    """
    atoms = parse_stack(reference).atoms
    if len(atoms) != 1 or not isinstance(atoms[0], Reference) or not atoms[0].is_exact:
        raise RegistryError(f'"{reference}" names no single version', fix="name one, such as lang:mad@1.2.0")
    wanted = atoms[0]
    with locked(folder):
        for entry in read_folder_registry(folder).components:
            same = canonical_version(entry.version) == canonical_version(wanted.version or "")
            if entry.key == wanted.key and same:
                text = with_field((folder / FILE).read_text("utf-8"), entry, "yanked", reason)
                parse_registry(text, where=str(folder / FILE))
                if key is not None:
                    check_secret(key.file, key.password)
                write_aside(folder / FILE, text)
                if key is not None:
                    sign_listing(folder, key.file, key.password)
                return entry
    raise RegistryError(f"does not list {wanted}", where=str(folder / FILE), fix="see what it lists with: lect search")

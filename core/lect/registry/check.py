"""`lect registry check`: whether a registry in a folder is what it says it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lect.auditing.card import AUDIT, read_audit
from lect.errors import LectError
from lect.files import hash_of
from lect.registry.folder import read_folder_registry
from lect.registry.format import FILE
from lect.registry.listing import listing_problem
from lect.registry.model import ComponentEntry, Registry
from lect.registry.pull import check_against_entry
from lect.registry.signing import is_signed_with
from lect.storage.card_check import card_problems
from lect.storage.licences import unanswered_conflicts
from lect.storage.manifest import Manifest
from lect.storage.store import read_folder_manifest


def check_registry(folder: Path, *, key: str | None = None) -> Iterator[str]:
    """Every problem of a registry, a line each.

    Schema, licences (SPDX) and languages (BCP 47) are checked by reading it; then every component's files, hashes,
    manifest, weights, card, audit, and whether its licence is one that its training data allows; and its signature
    where a key is given, and that of the listing where it has one.

    Args:
        key: a public key that every component has to be signed with.
    """
    try:
        registry = read_folder_registry(folder)
    except FileNotFoundError:
        yield f"{folder}: there is no registry.toml in this folder; start one with: lect registry build FOLDER"
        return
    except (LectError, OSError) as error:
        yield str(error)
        return
    listed = set()
    for entry in registry.components:
        listed.add((folder / entry.place).resolve())
        yield from (f"{entry.reference}: {problem}" for problem in _problems(folder, entry))
        if key is not None and not is_signed_with(entry, key):
            yield f"{entry.reference}: is not signed with this key"
    if key is not None and (problem := listing_problem(folder, key)):
        yield f"{folder / FILE}: {problem}"
    yield from _starter_problems(folder, registry)
    for path in sorted((folder / "components").glob("*/*/*")):
        if path.is_dir() and not path.name.startswith(".") and path.resolve() not in listed:
            yield f"{path}: lies there, and {FILE} does not list it"


def _starter_problems(folder: Path, registry: Registry) -> Iterator[str]:
    from lect.recipes.licences import licence_notes
    from lect.registry.rebuild import starter_recipe

    for entry in registry.starters:
        try:
            recipe = starter_recipe(entry, folder)
        except LectError as error:
            yield f"starter {entry.key}: {error}"
        else:
            yield from (f"starter {note}" for note in licence_notes(recipe))


def _problems(folder: Path, entry: ComponentEntry) -> Iterator[str]:
    place = folder / entry.place
    if not entry.licence:
        yield "states no licence"
    if entry.role == "lang" and not entry.languages:
        yield "states no language"
    whole = True
    for file in entry.files:
        path = place / file.path
        if path.is_symlink() or not path.is_file():
            yield f"{path} is not there"
        elif path.stat().st_size != file.size or hash_of(path) != file.sha256:
            yield f"{path} is not the file that is listed"
        else:
            continue
        whole = False
    if not whole:
        return
    try:
        check_against_entry(entry, place)
        manifest = read_folder_manifest(place)
        yield from _other_statements(entry, manifest)
        yield from (f"its licence: {conflict}" for conflict in unanswered_conflicts(manifest))
        yield from card_problems(manifest, place)
        if (place / AUDIT).is_file():
            read_audit(place / AUDIT, manifest, place)
    except LectError as error:
        yield str(error)


def _other_statements(entry: ComponentEntry, manifest: Manifest) -> Iterator[str]:
    """What searches show of a component, and its manifest says otherwise."""
    head = manifest.head.kind if manifest.head else ""
    for field, listed, found in (
        ("summary", entry.summary, manifest.summary),
        ("methods", entry.methods, manifest.methods),
        ("head", entry.head, head),
        ("requires", entry.requires, manifest.requires),
        ("results", entry.results, manifest.results),
    ):
        if listed != found:
            yield f"its {field} as they are listed are not those of its manifest"

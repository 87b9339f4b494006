"""A component written as the sum, or another merge, of the parameters of others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lect.composition.stack import Combination, Reference
from lect.errors import ComponentError, StackError, UserError
from lect.host.backbones import load_backbone
from lect.literals import Progress
from lect.storage.assemble import finder, must_generate
from lect.storage.card import render_card
from lect.storage.library import Library
from lect.storage.manifest import Manifest, OriginEntry, requirements_of
from lect.storage.members import member_entries, read_with_members
from lect.storage.merging import merge_components
from lect.storage.nesting import Member, check_merge
from lect.storage.store import StoredComponent, write_component

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.host import Host


def combine(
    combination: Combination,
    host: Host,
    library: Library,
    *,
    languages: Sequence[str] | None = None,
    licence: str | None = None,
    summary: str = "",
    backbone: Backbone | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> Path:
    """Make the component and write it into the library; returns its folder.

    Args:
        languages: BCP 47 tags; by default the one that the component is named after, else all of the members'.
        licence: an SPDX expression; by default the members', where they have the same one.
        backbone: the members' own by default.
        overwrite: whether a component of this name may be replaced.

    Raises:
        UserError: the members cannot be merged, their licences differ and none is given, or the name is taken.
    """
    target, merge = combination.target, combination.merge
    where = f'"{combination}"'
    stored = {str(atom): read_with_members(atom, finder(library, host)) for atom in merge.atoms}
    if len(stored) < len(merge.atoms):
        raise StackError("a component stands in it twice", where=where, fix="name it once, with one weight")
    check_merge([Member(name, each.manifest) for name, each in stored.items()], where)
    members = list(stored.values())
    folder = library.save_folder(target.role, target.name)
    _check_target(combination, members, folder, overwrite)
    licence = _licence(stored, licence)
    entry = members[0].manifest.backbone
    backbone = backbone or load_backbone(
        entry.name, host=host, progress=progress, revision=entry.revision, generates=must_generate(host, members)
    )
    merged = merge_components(merge, members, backbone, host)
    values = {
        **merged.manifest.model_dump(by_alias=True),
        "name": target.name,
        "version": target.version or "1.0.0",
        "languages": tuple(languages or _languages(target) or merged.manifest.languages),
        "licence": licence,
        "summary": summary,
        "origin": OriginEntry(formula=merge.formula, members=member_entries(stored)),
        "requires": requirements_of(host, merged.manifest.methods),
    }
    try:
        manifest = Manifest.model_validate(values)
    except ValueError as error:
        problem = error.errors()[0] if hasattr(error, "errors") else {"loc": ("?",), "msg": str(error)}
        place = ".".join(map(str, problem["loc"]))
        raise UserError(str(problem["msg"]).removeprefix("Value error, "), where=place) from None
    return write_component(folder, manifest, merged.tensors, merged.tokenizer_json, render_card(manifest))


def _check_target(combination: Combination, members: Sequence[StoredComponent], folder: Path, overwrite: bool) -> None:
    target = combination.target
    if members[0].manifest.role != target.role:
        raise StackError(
            f'"{target}" is of role "{target.role}", and what it is to be made of of role "{members[0].manifest.role}"',
            where=f'"{combination}"',
            fix=f'name it "{members[0].manifest.role}:{target.name}"',
        )
    if any(member.folder.resolve() == folder.resolve() for member in members):
        raise StackError(
            f'"{target.key}" would replace one of those it is made of',
            where=f'"{combination}"',
            fix="give the result another name",
        )
    if folder.exists() and not overwrite:
        raise ComponentError(
            "there is a component already", where=str(folder), fix="give the result another name, or add --force"
        )


def _licence(stored: dict[str, StoredComponent], given: str | None) -> str:
    if given is not None:
        return given
    licences = {name: each.manifest.licence for name, each in stored.items()}
    if len(set(licences.values())) == 1:
        return next(iter(licences.values()))
    listed = ", ".join(f"{name} {licence or '(none stated)'}" for name, licence in licences.items())
    raise UserError(
        f"its members have different licences: {listed}",
        where="--licence",
        fix="read them, and name one that all of them allow, such as --licence CC-BY-SA-4.0",
    )


def _languages(target: Reference) -> tuple[str, ...]:
    """The language that a component is named after."""
    from lect.languages.tags import is_tag

    return (target.name,) if target.role == "lang" and is_tag(target.name) else ()

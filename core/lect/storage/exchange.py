"""Components from folders of other libraries, and back: formats that plugins register, checked by the host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lect.composition.stack import PathReference, Reference, parse_stack
from lect.errors import BackboneError, ComponentError, StackError
from lect.exchange.contents import (
    LABELS_MADE_UP,
    Contents,
    ForeignFolder,
    HeadContents,
    PartContents,
    with_labels,
)
from lect.fields import NAME_PATTERN
from lect.files import check_target, folder_aside
from lect.host.backbones import load_backbone
from lect.host.bundled import installable
from lect.literals import Progress, Role
from lect.specs import BackboneSpec, FormatSpec
from lect.storage.allocation import bounded_allocation, values_in, values_in_folder
from lect.storage.card import hub_task, render_card
from lect.storage.manifest import (
    FILE,
    BackboneEntry,
    HeadEntry,
    Manifest,
    PartEntry,
    manifest_of,
    requirements_of,
)
from lect.storage.restore import restore
from lect.storage.same import build_contents, check_same
from lect.storage.store import StoredComponent, check_backbone, read_component, write_component

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.host import Host, Provided
    from lect.storage.library import Library


@dataclass(frozen=True)
class ImportOptions:
    """What the user says of a component that is imported; what is None or empty is taken from the folder."""

    backbone: str | None = None
    name: str | None = None
    role: Role | None = None
    languages: tuple[str, ...] = ()
    licence: str = ""
    overwrite: bool = False
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exchanged:
    """What was imported or exported.

    Args:
        format: the name of the other library's format.
        notices: a line for each thing that was left out.
    """

    manifest: Manifest
    folder: Path
    format: str
    notices: tuple[str, ...]


def import_folder(
    folder: Path, host: Host, library: Library, options: ImportOptions, progress: Progress | None = None
) -> Exchanged:
    """Make a component of another library's folder, and write it into the library.

    Raises:
        UserError: the folder is of no known format, broken, or does not fit the backbone; or the component is there.
    """
    provided, found = detect_format(folder, host)
    name = options.name or _name_of(found.name or folder.resolve().name)
    wanted = options.backbone or _registered_as(found.backbone, host)
    if not wanted:
        raise ComponentError("does not say what model it is for", where=str(folder), fix="name it with --backbone")
    if options.role is not None:
        _check_free(library, options.role, name, options.overwrite)
    try:
        backbone = load_backbone(wanted, host=host, progress=progress, generates=found.generates)
    except BackboneError as error:
        if options.backbone:
            raise
        raise BackboneError(
            f'the model it was trained on, "{wanted}", cannot be loaded: {error.what}',
            where=str(folder),
            fix="name that model's folder or hub id with --backbone",
        ) from error
    _check_fits(found, backbone, folder)
    with (
        torch.random.fork_rng(devices=[]),
        host.attributed(provided) as spec,
        bounded_allocation(values_in_folder(folder), backbone, str(folder)),
    ):
        contents = spec.read(folder, backbone)
    contents = _with_labels(_with_role(contents, options.role, folder), options.labels, folder)
    assert contents.role is not None
    _check_free(library, contents.role, name, options.overwrite)
    manifest = _manifest(contents, name, options, backbone, host, f"{provided.spec.name} folder {folder.name}")
    component = build_contents(contents, manifest.key, backbone, host, folder)
    target = library.save_folder(manifest.role, manifest.name)
    card = render_card(manifest, task=hub_task(manifest, host))
    write_component(target, manifest, component.tensors(), component.saved_tokenizer, card)
    return Exchanged(manifest, target, provided.spec.name, contents.notices)


def _registered_as(identity: str | None, host: Host) -> str | None:
    """The name under which a plugin registers the model of this identity, which exports write; or the identity."""
    names = [name for name, provided in host.specs(BackboneSpec).items() if provided.spec.identity == identity]
    return names[0] if len(names) == 1 else identity


def export_component(
    reference: str,
    format_name: str,
    folder: Path,
    host: Host,
    library: Library,
    *,
    backbone: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Exchanged:
    """Write a component as another library's folder, and read that back to see that nothing else was lost.

    Raises:
        UserError: the component cannot be written in this format, or the folder holds something already.
    """
    provided = host.provided(FormatSpec, format_name)
    parts = parse_stack(reference).parts
    if len(parts) != 1:
        raise StackError(
            f"this names {len(parts)} components, not one", where=f'"{reference}"', fix="name one, such as lang:jav"
        )
    if not isinstance(parts[0], (Reference, PathReference)):
        raise StackError(
            "this is made of components, and is not one",
            where=f'"{reference}"',
            fix="write it as one first: lect components combine",
        )
    stored = read_component(library.find(parts[0]))
    check_target(folder, overwrite, lambda there: provided.spec.detect(there) is not None)
    entry = stored.manifest.backbone
    loaded = load_backbone(
        backbone or entry.name,
        host=host,
        progress=progress,
        revision=None if backbone else entry.revision,
        generates=entry.reads is not None,
    )
    check_backbone(stored.manifest, loaded.fingerprint, name=loaded.name, where=str(stored.folder))
    contents = contents_of(stored)
    if stored.tokenizer_json is not None:
        # A component may keep only what its tokenizer adds to the backbone's.
        whole = restore(stored.manifest.key, stored, loaded, host).tokenizer_json
        contents = replace(contents, tokenizer_json=whole)
    with folder_aside(folder) as aside:
        bound = bounded_allocation(values_in(stored.tensors), loaded, str(stored.folder / FILE))
        with torch.random.fork_rng(devices=[]), host.attributed(provided) as spec, bound:
            notices = tuple(spec.write(contents, loaded, aside))
            again = spec.read(aside, loaded)
        check_same(contents, again, notices, loaded, host, format_name)
    return Exchanged(stored.manifest, folder, format_name, notices)


def detect_format(folder: Path, host: Host) -> tuple[Provided[FormatSpec], ForeignFolder]:
    """The format a folder is in, and what the folder says of itself.

    Raises:
        ComponentError: there is no such folder, it is a component of `lect`, or no format knows it.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "there is no such folder"
        raise ComponentError(what, where=str(folder), fix="name the folder that holds adapter_config.json")
    if (folder / FILE).exists():
        raise ComponentError(
            "is a component of lect already", where=str(folder), fix=f'write it in a stack as "{_as_path(folder)}"'
        )
    formats = host.specs(FormatSpec)
    for provided in formats.values():
        with host.attributed(provided) as spec:
            if (found := spec.detect(folder)) is not None:
                return provided, found
    known = ", ".join(formats) or "none"
    missing = installable(FormatSpec.kind, formats)
    fix = f"install the plugin for {' or '.join(missing)}" if missing else "name a folder as the other library saved it"
    raise ComponentError(f"is in no format that is known here ({known})", where=str(folder), fix=fix)


def contents_of(stored: StoredComponent) -> Contents:
    """A stored component as formats take it."""
    manifest = stored.manifest
    head = None
    if manifest.head is not None:
        entry = manifest.head
        head = HeadContents(entry.kind, entry.config, entry.labels, _under("head", stored.tensors))
    return Contents(
        manifest.name,
        manifest.role,
        tuple(PartContents(part.method, part.config, _under(part.method, stored.tensors)) for part in manifest.parts),
        head,
        stored.tokenizer_json,
    )


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name[len(prefix) + 1 :]: value for name, value in tensors.items() if name.startswith(f"{prefix}.")}


# ------------------------------------------------------------------------------------------------------------ importing


def _check_fits(found: ForeignFolder, backbone: Backbone, folder: Path) -> None:
    """Refuse a folder for a model of another family or width."""
    family = backbone.model.config.model_type
    for what, theirs, ours in (
        ("family", found.model_type, family),
        ("hidden size", found.hidden_size, backbone.hidden_size),
    ):
        if theirs is not None and theirs != ours:
            trained = f' ("{found.backbone}")' if found.backbone else ""
            raise ComponentError(
                f'was trained on a model of {what} {theirs}{trained}, and "{backbone.name}" is of {what} {ours}',
                where=str(folder),
                fix="name the model it was trained on with --backbone",
            )


def _with_role(contents: Contents, role: Role | None, folder: Path) -> Contents:
    role = role or contents.role
    if role is None:
        raise ComponentError(
            "does not say whether it is for a language or a task",
            where=str(folder),
            fix="add --role lang or --role task",
        )
    if role == "lang" and contents.head is not None:
        notice = f'left out the head "{contents.head.kind}": a component of role "lang" has none'
        # One without tensors is no loss: it only says what the backbone writes.
        notices = (*contents.notices, notice) if contents.head.tensors else contents.notices
        contents = replace(contents, head=None, notices=notices)
    if not contents.parts and contents.head is None:
        raise ComponentError("nothing in it can be a component", where=str(folder), fix="; ".join(contents.notices))
    return replace(contents, role=role)


def _with_labels(contents: Contents, labels: tuple[str, ...], folder: Path) -> Contents:
    if not labels:
        return contents
    if contents.head is None:
        raise ComponentError("there is no head in it that labels could be given to", where=str(folder))
    try:
        head = with_labels(contents.head, labels)
    except ValueError as error:
        raise ComponentError(str(error), where="--labels", fix="give one for each output, in their order") from None
    # What is said of labels is said of those that were made up.
    return replace(contents, head=head, notices=tuple(each for each in contents.notices if each != LABELS_MADE_UP))


def _manifest(
    contents: Contents, name: str, options: ImportOptions, backbone: Backbone, host: Host, source: str
) -> Manifest:
    from lect.languages.tags import is_tag

    languages = options.languages
    if not languages and contents.role == "lang" and is_tag(contents.name):
        languages = (contents.name,)
    values: dict[str, Any] = {
        "schema": 1,
        "name": name,
        "role": contents.role,
        "languages": languages,
        "licence": options.licence,
        "summary": " ".join(f"Imported from the {source}".split()),
        "backbone": BackboneEntry.of(backbone),
        "parts": tuple(PartEntry(method=part.method, config=dict(part.config)) for part in contents.parts),
        "requires": requirements_of(
            host, [part.method for part in contents.parts], contents.head.kind if contents.head else None
        ),
    }
    if contents.head is not None:
        its = contents.head
        values["head"] = HeadEntry(kind=its.kind, config=dict(its.config), labels=its.labels)
    return manifest_of(values, where="the new component")


def _name_of(text: str) -> str:
    """The text as a component may be called."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip("._-")[:100].rstrip("-")
    if not re.fullmatch(NAME_PATTERN, name):
        raise ComponentError(f'cannot be called "{text}"', where="the new component", fix="name it with --name")
    return name


def _check_free(library: Library, role: str, name: str, overwrite: bool) -> None:
    target = library.save_folder(role, name)
    if not overwrite and target.is_dir() and any(target.iterdir()):
        raise ComponentError(
            f'there is a component "{role}:{name}" already',
            where=str(target),
            fix="add --overwrite, or name the new one with --name",
        )


def _as_path(folder: Path) -> str:
    return str(folder) if str(folder).startswith(("/", ".", "~")) else f"./{folder}"

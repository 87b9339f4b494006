"""`lect components list`, `remove`, `gc`, `pack` and `unpack`: keeping what was trained and pulled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lect.commands.console import print_json
from lect.commands.options import ComponentsOption, JsonOption, library_of
from lect.components.library import Library
from lect.errors import StackError


def add_to(app: typer.Typer) -> None:
    """Add these commands to those of `lect components`."""
    for command in (remove, gc, pack, unpack):
        app.command()(command)


def remove(
    references: Annotated[list[str], typer.Argument(metavar="REF...", help="Components: lang:mad or lang:mad@1.2.0.")],
    force: Annotated[bool, typer.Option("--force", help="Also what was made here, and is then gone.")] = False,
    components: ComponentsOption = None,
) -> None:
    """Take components away."""
    from lect.registry.tidy import remove as remove_one

    library = library_of(components)
    folders = [_folder(library, reference) for reference in references]
    for reference, folder in zip(references, folders, strict=True):
        size = remove_one(folder, force=force)
        typer.echo(f"{reference}  removed, {size / 1e6:.1f} MB\n  {folder}")


def gc(
    everything: Annotated[
        bool, typer.Option("--all", help="Also what was left unfinished within the last hour.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Free the cache of what no component needs, and of what killed processes left."""
    from lect.registry.blobs import Blobs
    from lect.registry.tidy import sweep

    swept = sweep(Library.default(), Blobs.default(), everything=everything)
    if as_json:
        print_json({"files": swept.files, "size": swept.size})
    else:
        typer.echo(f"{swept.files} files removed, {swept.size / 1e6:.1f} MB")


def pack(
    reference: Annotated[str, typer.Argument(metavar="REF", help="A component: lang:mad, lang:mad@1.2 or ./folder.")],
    file: Annotated[Path | None, typer.Argument(help="The file; NAME-VERSION.lect.tar if absent.")] = None,
    components: ComponentsOption = None,
) -> None:
    """Write a component as one file; the same component gives the same bytes."""
    from lect.components.store import read_folder_manifest
    from lect.registry.archive import SUFFIX
    from lect.registry.archive import pack as pack_one

    folder = _folder(library_of(components), reference)
    manifest = read_folder_manifest(folder)
    packed = pack_one(folder, file or Path(f"{manifest.role}-{manifest.name}-{manifest.version}{SUFFIX}"))
    typer.echo(f"{packed.entry.reference}  {packed.file}")


def unpack(
    file: Annotated[Path, typer.Argument(help="A file that `lect components pack` wrote.")],
    components: ComponentsOption = None,
) -> None:
    """Check a packed component, and put it where stacks find it."""
    from lect.registry.archive import unpack as unpack_one

    folder = unpack_one(file, components)
    typer.echo(f"{folder.parent.name}:{folder.name}\n  {folder}")


def _folder(library: Library, reference: str) -> Path:
    from lect.composition.stack import parse_stack

    atoms = parse_stack(reference).atoms
    if len(atoms) != 1:
        raise StackError(f'"{reference}" does not name one component', fix="name one, such as lang:mad@1.2.0")
    return library.find(atoms[0])

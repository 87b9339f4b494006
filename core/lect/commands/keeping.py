"""`lect components card`, `gate`, `remove`, `gc`, `pack` and `unpack`: keeping what was trained and pulled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lect.commands.app import load_host
from lect.commands.console import echo, echo_paragraph, print_json, print_table, shown_in, stderr_console, warn
from lect.commands.options import ComponentsOption, FieldOption, JsonOption, ReaderOption, library_of, source_of
from lect.errors import ComponentError, StackError, UserError, one_line
from lect.storage.library import Library


def add_to(app: typer.Typer) -> None:
    """Add these commands to those of `lect components`."""
    for command in (card, gate, remove, gc, pack, unpack):
        app.command()(command)


def card(
    ctx: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REF", help="A component: lang:mad, lang:mad@1.2 or ./folder.")],
    audit: Annotated[Path | None, typer.Option("--audit", help="What `lect audit --output audit.json` wrote.")] = None,
    citation: Annotated[Path | None, typer.Option("--citation", help="A file with how to cite it: BibTeX.")] = None,
    intended_use: Annotated[str | None, typer.Option("--intended-use", help="What it is for, and what not.")] = None,
    limits: Annotated[str | None, typer.Option("--limits", help="Where it is known to fail.")] = None,
    licence_reason: Annotated[
        str | None,
        typer.Option("--licence-reason", help="Why its licence is right, where its data's seem not to say so."),
    ] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Its licence (SPDX): CC-BY-4.0.")] = None,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a component's card anew: with what an audit found, and what you add. "" takes a text out."""
    from lect.auditing.card import write_card
    from lect.registry.record import read_record

    folder = _folder(library_of(components), reference)
    if read_record(folder) is not None:
        raise ComponentError("was pulled, and its card is its author's", where=reference, fix="tell the author")
    said = {"intended_use": intended_use, "limits": limits, "licence_reason": licence_reason}
    if citation is not None:
        try:
            said["citation"] = citation.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError("cannot be read as UTF-8", where=str(citation), fix="name a text file") from error
    texts = {name: text for name, text in said.items() if text is not None}
    written = write_card(folder, load_host(ctx, tolerant=True), audit=audit, licence=licence, said=texts)
    if as_json:
        conflicts = [str(conflict) for conflict in written.conflicts]
        print_json({"card": str(written.file), "audited": written.audited, "licence_conflicts": conflicts})
        return
    for conflict in written.conflicts:
        warn(one_line(f"the licence: {conflict}"))
    echo(f"{reference}  {written.file}" + ("" if written.audited else "; not audited, see lect audit"))


def gate(
    ctx: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REF", help="A language: lang:jav or ./folder.")],
    data: Annotated[str, typer.Option("--data", "-d", help="Sentences with translations it was not trained on.")],
    reader: ReaderOption = None,
    option: FieldOption = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", help="A task whose own answers are compared, such as task:topic. Repeatable."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure, and write nothing.")] = False,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how strongly a language should act, on translations of the kind that it will read, and write it down.

    Stacks then take that strength unless they say another: 1*lang:jav takes all of it. With --task a task's answers to
    sentences are compared with those to their translations, without labels, and the strength holds for that task.
    """
    host = load_host(ctx)
    source = source_of(host, data, reader, option)
    with stderr_console().status("Loading") as status:
        from lect.auditing.gate import regate
        from lect.host.reading import read_source

        pairs = read_source(host, source, Path(), "--data", named=("translation",)).examples
        found = regate(
            reference,
            pairs,
            host,
            library_of(components),
            on=str(source),
            tasks=task or (),
            keep=not dry_run,
            progress=shown_in(status),
        )
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    columns = ("use", "strength", "there", "at 1", "without", "rows")
    rows = [
        (
            each.task or each.use,
            f"{each.strength:g}",
            *(f"{value:.1f}" for value in (each.score, each.whole, each.without)),
            f"{each.rows:,}",
        )
        for each in found
    ]
    print_table(columns, rows, right=columns[1:], narrow=columns[1:])
    echo_paragraph(
        "Percent of recall@1 both ways, or of answers that agree with those of translations. The strength is the least "
        "within a standard error of the best; 0 leaves the language out."
        + ("" if not dry_run else " Nothing was written.")
    )


def remove(
    references: Annotated[list[str], typer.Argument(metavar="REF...", help="Components: lang:mad or lang:mad@1.2.0.")],
    force: Annotated[bool, typer.Option("--force", help="Also what was made here, and is then gone.")] = False,
    components: ComponentsOption = None,
) -> None:
    """Take components away."""
    from lect.registry.tidy import remove as remove_one

    library = library_of(components)
    folders = [_folder(library, reference, to_use=False) for reference in references]
    for reference, folder in zip(references, folders, strict=True):
        size = remove_one(folder, force=force)
        echo(f"{reference}  removed, {size / 1e6:.1f} MB\n  {folder}")


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
        print_json({"files": swept.files, "size": swept.size, "restored": [str(folder) for folder in swept.restored]})
    else:
        for folder in swept.restored:
            echo(f"{folder.parent.name}:{folder.name}  brought back, its writer was killed\n  {folder}")
        echo(f"{swept.files} files removed, {swept.size / 1e6:.1f} MB")


def pack(
    reference: Annotated[str, typer.Argument(metavar="REF", help="A component: lang:mad, lang:mad@1.2 or ./folder.")],
    file: Annotated[Path | None, typer.Argument(help="The file; NAME-VERSION.lect.tar if absent.")] = None,
    components: ComponentsOption = None,
) -> None:
    """Write a component as one file; the same component gives the same bytes."""
    from lect.registry.archive import SUFFIX
    from lect.registry.archive import pack as pack_one
    from lect.storage.store import read_folder_manifest

    folder = _folder(library_of(components), reference)
    manifest = read_folder_manifest(folder)
    packed = pack_one(folder, file or Path(f"{manifest.role}-{manifest.name}-{manifest.version}{SUFFIX}"))
    echo(f"{packed.entry.reference}  {packed.file}")


def unpack(
    file: Annotated[Path, typer.Argument(help="A file that `lect components pack` wrote.")],
    components: ComponentsOption = None,
) -> None:
    """Check a packed component, and put it where stacks find it."""
    from lect.registry.archive import unpack as unpack_one

    folder = unpack_one(file, components)
    echo(f"{folder.parent.name}:{folder.name}\n  {folder}")


def _folder(library: Library, reference: str, *, to_use: bool = True) -> Path:
    from lect.composition.stack import parse_stack

    atoms = parse_stack(reference).atoms
    if len(atoms) != 1:
        raise StackError(f'"{reference}" does not name one component', fix="name one, such as lang:mad@1.2.0")
    return library.find(atoms[0], to_use=to_use)

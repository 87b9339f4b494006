"""`lect components`: what is trained or installed, and what each component says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lect.commands.console import echo, print_json, print_table, shown_in
from lect.commands.keeping import add_to
from lect.counts import number_of
from lect.errors import StackError, UserError, nearest

if TYPE_CHECKING:
    from lect.storage.library import Library, Listing
    from lect.storage.manifest import Manifest, MemberEntry

app = typer.Typer(add_completion=False, invoke_without_command=True)

FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", "--components", help="Folder of components; ./components and the user's by default."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.callback()
def components(
    ctx: typer.Context,
    role: Annotated[str | None, typer.Option("--role", help="Only components of this role: lang or task.")] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """List and inspect trained components."""
    if ctx.invoked_subcommand is not None:
        # What stands before the subcommand holds for it too.
        ctx.obj = (folder, as_json)
        return
    from lect.composition.stack import ROLES

    if role is not None and role not in ROLES:
        raise UserError(f'there is no role "{role}"', where="--role", fix=nearest(role, ROLES))
    library = _library(folder)
    listings = [listing for listing in library.all() if role in (None, listing.role)]
    if as_json:
        print_json([_record(listing) for listing in listings])
    elif listings:
        _print_listings(listings)
    else:
        places = ", ".join(str(place) for place in library.folders)
        what = f"components of role {role}" if role else "components"
        echo(f"No {what} in {places}. Train one with: lect train RECIPE")


@app.command()
def show(
    ctx: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REF", help="A component: lang:jav, lang:jav@1.0.0 or ./folder.")],
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what one component says of itself, and check that its files are whole."""
    from lect.composition.stack import Merge, Mixture, Weighted, parse_stack
    from lect.storage.store import WEIGHTS, read_folder_manifest, size_of
    from lect.weight_files import check_weights

    earlier_folder, earlier_json = ctx.obj if isinstance(ctx.obj, tuple) else (None, False)
    parts = parse_stack(reference).parts
    if len(parts) != 1:
        raise StackError(
            f"this names {len(parts)} components, not one", where=f'"{reference}"', fix="name one, such as lang:jav"
        )
    if isinstance(parts[0], Weighted | Merge | Mixture):
        raise StackError("this is made of components", where=f'"{reference}"', fix="name one, such as lang:jav")
    found = _library(folder or earlier_folder).find(parts[0])
    manifest = read_folder_manifest(found)
    tensors = check_weights(found / WEIGHTS)
    size = size_of(found)
    if as_json or earlier_json:
        values = manifest.model_dump(mode="json", by_alias=True)
        print_json({**values, "folder": str(found), "size": size, "tensors": len(tensors)})
    else:
        _print_manifest(manifest, found, size)


@app.command()
def combine(
    ctx: typer.Context,
    combination: Annotated[
        str, typer.Argument(metavar="NAME = FORMULA", help='Such as "lang:ban = lang:jav + lang:mad - lang:ind".')
    ],
    language: Annotated[
        list[str] | None, typer.Option("--language", help="A language of the result. Repeatable.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", help="The result's licence; needed where the members' differ.")
    ] = None,
    summary: Annotated[str, typer.Option("--summary", help="What the result is, in one line.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a component of this name.")] = False,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a component of others, by arithmetic on their parameters.

    The formula is a sum with weights, or a merge by its name: "lang:ban = ties(lang:jav, lang:mad, density=0.5)".
    """
    from lect.commands.app import load_host
    from lect.commands.console import stderr_console
    from lect.composition.stack import parse_combination

    earlier_folder, earlier_json = ctx.obj if isinstance(ctx.obj, tuple) else (None, False)
    parsed = parse_combination(combination)
    host = load_host(ctx)
    library = _library(folder or earlier_folder)
    with stderr_console().status("Loading") as status:
        from lect.storage.combine import combine as combined

        written = combined(
            parsed,
            host,
            library,
            languages=language,
            licence=licence,
            summary=summary,
            progress=shown_in(status),
            overwrite=force,
        )
    if as_json or earlier_json:
        print_json({"component": parsed.target.key, "formula": parsed.merge.formula, "folder": str(written)})
    else:
        echo(f"{parsed}\n{written}")


@app.command("list")
def list_(
    ctx: typer.Context,
    role: Annotated[str | None, typer.Option("--role", help="Only components of this role: lang or task.")] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """List trained and pulled components, as `lect components` alone does."""
    earlier_folder, earlier_json = ctx.obj if isinstance(ctx.obj, tuple) else (None, False)
    ctx.invoked_subcommand = None
    components(ctx, role, folder or earlier_folder, as_json or earlier_json)


add_to(app)


def _library(folder: Path | None) -> Library:
    from lect.commands.options import library_of

    if folder is not None and not folder.is_dir():
        raise UserError("there is no such folder", where=str(folder), fix="name a folder that holds lang/ or task/")
    library: Library = library_of(folder)
    return library


def _record(listing: Listing) -> dict[str, Any]:
    manifest = listing.manifest
    return {
        "component": listing.key,
        "role": listing.role,
        "name": listing.name,
        "version": manifest.version if manifest else None,
        "languages": list(manifest.languages) if manifest else [],
        "licence": manifest.licence if manifest else None,
        "summary": manifest.summary if manifest else None,
        "backbone": manifest.backbone.model_dump(mode="json") if manifest else None,
        "parts": list(manifest.methods) if manifest else [],
        "head": manifest.head.kind if manifest and manifest.head else None,
        "size": listing.size,
        "folder": str(listing.folder),
        "shadowed": listing.shadowed,
        "error": listing.error,
    }


def _print_listings(listings: list[Listing]) -> None:
    rows = []
    for listing in listings:
        manifest = listing.manifest
        if manifest is None:
            rows.append((listing.key, "broken", "", "", "", _megabytes(listing.size)))
            continue
        languages, backbone = ", ".join(manifest.languages), _line(manifest.backbone.name)
        rows.append(
            (listing.reference, manifest.version, languages, backbone, _parts(manifest), _megabytes(listing.size))
        )
    columns = ("component", "version", "languages", "backbone", "parts", "size")
    print_table(columns, rows, right=("size",), narrow=("version", "size"))
    for listing in listings:
        if listing.error:
            echo(f"{listing.key}: {_line(listing.error)}")


def _print_manifest(manifest: Manifest, folder: Path, size: int) -> None:
    from lect.languages.tags import name_with_tag

    backbone, training = manifest.backbone, manifest.training
    languages = ", ".join(map(name_with_tag, manifest.languages))
    revision = f", revision {backbone.revision}" if backbone.revision else ""
    rows = [
        ("component", f"{manifest.key} {manifest.version}"),
        ("summary", manifest.summary),
        ("folder", str(folder)),
        ("size", _megabytes(size)),
        ("languages", languages),
        ("licence", manifest.licence or "not stated"),
        ("backbone", f"{backbone.name} ({backbone.identity}{revision})"),
        ("fingerprint", backbone.fingerprint),
        *((f"part {part.method}", _config(part.config)) for part in manifest.parts),
        ("head", f"{manifest.head.kind} {_config(manifest.head.config)}" if manifest.head else ""),
        ("labels", ", ".join(manifest.head.labels) if manifest.head else ""),
        ("own tokenizer", "yes" if manifest.own_tokenizer else "no"),
        ("trained over", manifest.stack or "the bare backbone"),
        ("needs", ", ".join(f"{entry.distribution} {entry.version}" for entry in manifest.requires)),
        ("stands on", _members(manifest.members)),
    ]
    if manifest.origin is not None:
        rows += [("made as", manifest.origin.formula), ("made of", _members(manifest.origin.members))]
    if training is not None:
        rows += [
            ("objective", training.objective),
            ("data", "\n".join(f"{data.source}, {number_of(data.rows, 'row')}" for data in training.data)),
            ("training", f"{number_of(training.steps, 'step')}, {training.seconds:,.0f} s, seed {training.seed}"),
            ("hardware", training.hardware),
        ]
    print_table(("field", "value"), [(name, _lines(value)) for name, value in rows if value], narrow=("field",))
    if manifest.results:
        print_table(
            ("data", "metric", "with", "without"),
            [
                (
                    _line(result.dataset),
                    _line(f"{result.metric} ↓" if result.direction == "lower" else result.metric),
                    f"{result.value:.4f}",
                    "-" if result.without is None else f"{result.without:.4f}",
                )
                for result in manifest.results
            ],
            right=("with", "without"),
            narrow=("with", "without"),
        )


def _members(members: tuple[MemberEntry, ...]) -> str:
    return "\n".join(f"{each.component} {each.version}, {each.licence or 'no licence stated'}" for each in members)


def _parts(manifest: Manifest) -> str:
    head = (f"head {manifest.head.kind}",) if manifest.head else ()
    return ", ".join((*manifest.methods, *head))


def _config(config: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in config.items()) or "-"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _line(text: str) -> str:
    return " ".join(_lines(text).split())


def _lines(text: str) -> str:
    # A manifest may come from anywhere: no escape sequence of it reaches the terminal.
    return "".join(character for character in text if character == "\n" or not _is_control(character))


def _is_control(character: str) -> bool:
    import unicodedata

    return unicodedata.category(character) in {"Cc", "Cs"}

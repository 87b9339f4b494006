"""`lect import` and `lect export`: components from and for other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lect.commands.app import load_host
from lect.commands.console import echo, print_json, shown_in, stderr_console, warn
from lect.commands.options import BackboneOption, ComponentsOption, JsonOption, library_of
from lect.errors import UserError, nearest

if TYPE_CHECKING:
    from lect.host import Host
    from lect.storage.exchange import Exchanged
    from lect.storage.library import Library

import_app = typer.Typer(add_completion=False)
export_app = typer.Typer(add_completion=False)

OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what lies there.")]


@import_app.command("import")
def import_(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder of AdapterHub or PEFT, with adapter_config.json.")],
    backbone: Annotated[
        str | None, typer.Option("--backbone", help="A backbone's name, hub id or folder; the folder's own by default.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The component's name; the folder's own by default.")
    ] = None,
    role: Annotated[str | None, typer.Option("--role", help="lang or task, where the folder does not tell.")] = None,
    language: Annotated[
        list[str] | None, typer.Option("--language", help="A language: its tag or English name. Repeatable.")
    ] = None,
    licence: Annotated[str, typer.Option("--licence", help="Its licence, an SPDX expression.")] = "",
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--labels", metavar="LABEL,LABEL,…", help="Its head's labels, in the order of its outputs. Repeatable."
        ),
    ] = None,
    components: ComponentsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a component of a folder of AdapterHub or PEFT. What cannot be represented is said, by name."""
    from lect.composition.stack import ROLES

    if role is not None and role not in ROLES:
        raise UserError(f'there is no role "{role}"', where="--role", fix=nearest(role, ROLES))
    host = load_host(ctx)
    with stderr_console().status("Loading") as status:
        from lect.storage.exchange import ImportOptions, import_folder

        named = tuple(name.strip() for each in labels or () for name in each.split(","))
        if "" in named:
            raise UserError("a label is empty", where="--labels", fix="separate them by one comma each")
        options = ImportOptions(
            backbone,
            name,
            role,  # type: ignore[arg-type]
            tuple(language or ()),
            licence,
            overwrite,
            named,
        )
        done = import_folder(folder, host, library_of(components), options, shown_in(status))
    _report(done, as_json)
    if not licence and not as_json:
        key = done.manifest.key
        warn(
            f"{key} has no licence, without which nobody may use it and lect push refuses it: "
            f"lect components card {key} --licence CC-BY-4.0"
        )


@export_app.command("export")
def export(
    ctx: typer.Context,
    reference: Annotated[
        str,
        typer.Argument(metavar="REF", help="A component: lang:jav, lang:jav@1.0.0 or ./folder; for onnx a stack."),
    ],
    folder: Annotated[Path, typer.Argument(help="The folder to write.")],
    to: Annotated[str, typer.Option("--to", help="The other library's format: adapters, peft or onnx.")],
    backbone: BackboneOption = None,
    components: ComponentsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a component so that `adapters` or `peft` loads it and gives the same outputs, or a whole stack as ONNX."""
    host = load_host(ctx)
    if to == "onnx":
        _export_stack(host, reference, folder, library_of(components), backbone, overwrite, as_json)
        return
    with stderr_console().status("Loading") as status:
        from lect.storage.exchange import export_component

        done = export_component(
            reference,
            to,
            folder,
            host,
            library_of(components),
            backbone=backbone,
            overwrite=overwrite,
            progress=shown_in(status),
        )
    _report(done, as_json)


def _export_stack(
    host: Host, stack: str, folder: Path, library: Library, backbone: str | None, overwrite: bool, as_json: bool
) -> None:
    with stderr_console().status("Loading") as status:
        from lect.engine.onnx_export import export_stack

        done = export_stack(
            stack,
            folder,
            host,
            library,
            backbone=backbone,
            overwrite=overwrite,
            progress=shown_in(status),
        )
    if as_json:
        print_json(
            {
                "stack": done.stack,
                "folder": str(done.folder),
                "format": done.format,
                "backbone": done.backbone,
                "inputs": list(done.inputs),
                "outputs": list(done.outputs),
                "labels": list(done.labels),
                "difference": done.difference,
            }
        )
        return
    echo(f"{done.stack or 'the bare backbone'}  {done.folder}")
    echo(f"onnx: {', '.join(done.inputs)} -> {', '.join(done.outputs)}, for {done.backbone}")
    echo(f"at most {done.difference:.1g} off what the stack gives")


def _report(done: Exchanged, as_json: bool) -> None:
    if as_json:
        print_json(_record(done))
        return
    for notice in done.notices:
        warn(notice)
    manifest = done.manifest
    head = (f"head {manifest.head.kind}",) if manifest.head else ()
    echo(f"{manifest.key}  {done.folder}")
    echo(f"{done.format}: {', '.join((*manifest.methods, *head))}, for {manifest.backbone.name}")


def _record(done: Exchanged) -> dict[str, Any]:
    manifest = done.manifest
    return {
        "component": manifest.key,
        "folder": str(done.folder),
        "format": done.format,
        "backbone": manifest.backbone.name,
        "languages": list(manifest.languages),
        "parts": list(manifest.methods),
        "head": manifest.head.kind if manifest.head else None,
        "labels": list(manifest.head.labels) if manifest.head else [],
        "notices": list(done.notices),
    }

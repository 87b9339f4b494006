"""``lect plugins``: what is installed, whether it works, and what it provides."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from lect.commands.app import FAILURE, load_host
from lect.commands.console import complain, echo, print_json, print_table, warn
from lect.errors import PluginError, nearest
from lect.host import API, Host, PluginRecord
from lect.host.records import HOOKS, SPECS, deprecation_of_hook
from lect.spec import Spec

app = typer.Typer(invoke_without_command=True)


@app.callback(help="List plugins and what they provide.")
def plugins(
    ctx: typer.Context,
    hook: Annotated[
        str | None, typer.Option(metavar="HOOK", help="Only implementations of this hook, such as register_methods.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 if any plugin does not work.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print every installed plugin, or those that implement one hook."""
    if ctx.invoked_subcommand is not None:
        return
    wanted = None if hook is None else _full_name(hook)
    host = load_host(ctx, tolerant=True)
    shown = [record for record in host.plugins if wanted is None or wanted in record.hooks]
    if as_json:
        print_json({"api": API, "plugins": [_described(host, record, wanted) for record in shown]})
    elif wanted is None:
        _print_all(host, shown, remarks=not check)
    else:
        _print_hook(host, shown, wanted)
    for record in host.plugins if check else ():
        for each, told in ((each, deprecation_of_hook(each)) for each in record.hooks):
            if told is not None:
                warn(f"{record.label}: {each}: {told.remark}")
    if check and (failing := [record for record in host.plugins if record.status not in ("ok", "blocked")]):
        for record in failing:
            complain(f"{record.label}: {record.status}: {record.error}")
        raise typer.Exit(FAILURE)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="What the plugin and its method are called.")],
    to: Annotated[Path | None, typer.Option("--to", help="The folder; lect-NAME if absent.")] = None,
    author: Annotated[str, typer.Option("--author", help="Who writes it.")] = "",
) -> None:
    """Write a working plugin with a method of its own and its tests, to start from."""
    from lect.registry.template import new_plugin

    folder = new_plugin(name, to or Path(f"lect-{name}"), author=author)
    echo(f"{folder}\ntry it: lect install ./{folder} && python -m pytest {folder}")


def _full_name(hook: str) -> str:
    short = hook.strip().removeprefix("lect_")
    if f"lect_{short}" not in HOOKS:
        known = [name.removeprefix("lect_") for name in HOOKS]
        raise PluginError(f'there is no hook "{hook}"', where="--hook", fix=nearest(short, known))
    return f"lect_{short}"


def _described(host: Host, record: PluginRecord, hook: str | None) -> dict[str, Any]:
    return {
        **asdict(record),
        "specs": {
            kind.hook: [
                {"name": spec.name, "summary": spec.summary, "usable": spec.name in host.specs(kind)}
                for spec in host.offers(record, kind)
            ]
            for kind in SPECS
            if kind.hook in record.hooks and hook in (None, kind.hook)
        },
    }


def _print_all(host: Host, records: list[PluginRecord], *, remarks: bool) -> None:
    rows = [
        (record.name, f"{record.distribution} {record.version}", record.status, _summary(host, record))
        for record in records
    ]
    print_table(("plugin", "distribution", "status", "provides"), rows, narrow=("plugin", "status"))
    for record in records if remarks else ():
        if record.error:
            echo(f"{record.name}: {record.error}")


def _summary(host: Host, record: PluginRecord) -> str:
    parts = []
    for kind in SPECS:
        if names := sorted(spec.name for spec in host.offers(record, kind)):
            parts.append(f"{kind.kind}{'s' if len(names) > 1 else ''} {', '.join(names)}")
    registration = {kind.hook for kind in SPECS}
    if others := [hook.removeprefix("lect_") for hook in record.hooks if hook not in registration]:
        parts.append(f"hook{'s' if len(others) > 1 else ''} {', '.join(others)}")
    return "; ".join(parts) or "-"


def _print_hook(host: Host, records: list[PluginRecord], hook: str) -> None:
    kind = next((kind for kind in SPECS if kind.hook == hook), None)
    if not records:
        echo(f"No plugin implements {hook}.")
    elif kind is None:
        print_table(
            ("plugin", "distribution", "status"),
            [(record.name, f"{record.distribution} {record.version}", record.status) for record in records],
        )
    else:
        rows = [
            (spec.name, spec.summary + _doubt(host, kind, spec.name), record.name)
            for record in records
            for spec in host.offers(record, kind)
        ]
        print_table((kind.kind, "summary", "plugin"), rows, narrow=(kind.kind, "plugin"))


def _doubt(host: Host, kind: type[Spec], name: str) -> str:
    return "" if name in host.specs(kind) else " (clashes: unusable)"

"""`lect install`, `uninstall`, `upgrade` and `info`: plugins in this environment, by pip."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lect.commands.console import echo, print_json, print_table, stderr_console, warn
from lect.commands.options import JsonOption
from lect.commands.sharing import OfflineOption, RegistryOption
from lect.errors import PluginError, nearest

if TYPE_CHECKING:
    from lect.registry.pip import Change

install_app = typer.Typer(add_completion=False)
uninstall_app = typer.Typer(add_completion=False)
upgrade_app = typer.Typer(add_completion=False)
info_app = typer.Typer(add_completion=False)

NamesArgument = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Plugins: a name, wheel, folder, or git+https: URL.")
]
WheelsOption = Annotated[
    Path | None,
    typer.Option("--find-links", metavar="FOLDER", help="Look for wheels here, too.", exists=True, file_okay=False),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@install_app.command("install")
def install(
    names: NamesArgument,
    yes: YesOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    wheels: WheelsOption = None,
    registry: RegistryOption = None,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
) -> None:
    """Install plugins into the environment that lect runs in. A plugin is code, and can do what you can."""
    _install(
        names,
        yes=yes,
        dry_run=dry_run,
        upgrade=False,
        wheels=wheels,
        registry=registry,
        offline=offline,
        as_json=as_json,
    )


@upgrade_app.command("upgrade")
def upgrade(
    names: NamesArgument,
    yes: YesOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    wheels: WheelsOption = None,
    registry: RegistryOption = None,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bring plugins to the newest version that their registry lists."""
    _install(
        names,
        yes=yes,
        dry_run=dry_run,
        upgrade=True,
        wheels=wheels,
        registry=registry,
        offline=offline,
        as_json=as_json,
    )


@uninstall_app.command("uninstall")
def uninstall(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Plugins, or their distributions.")],
    yes: YesOption = False,
) -> None:
    """Take plugins out of the environment that lect runs in."""
    from lect.registry.pip import uninstall as uninstall_all
    from lect.registry.plugins import distribution_of

    distributions = list(dict.fromkeys(distribution_of(name) for name in names))
    _agree(f"Remove {', '.join(distributions)}?", yes)
    uninstall_all(distributions)
    echo(f"removed {', '.join(distributions)}")


@info_app.command("info")
def info(
    name: Annotated[str, typer.Argument(help="A plugin or its distribution.")],
    registry: RegistryOption = None,
    offline: OfflineOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what the registries know of a plugin, and which version is installed."""
    from lect.api.registries import open_named
    from lect.installed import installed_version

    opened = open_named(registry, offline)
    found = [
        (each.name, entry)
        for each in opened
        for entry in each.index.plugins()
        if name in (entry.name, entry.distribution)
    ]
    if not found:
        known = [entry.name for each in opened for entry in each.index.plugins()]
        raise PluginError(f'no registry knows a plugin "{name}"', fix=nearest(name, known))
    place, entry = found[0]
    version = installed_version(entry.distribution)
    if as_json:
        print_json({"registry": place, "installed": version, **entry.model_dump(mode="json")})
        return
    rows = [
        ("plugin", entry.name),
        ("distribution", f"{entry.distribution} {entry.version}"),
        ("installed", version or "no"),
        ("summary", entry.summary),
        ("API", str(entry.api)),
        ("licence", entry.licence or "not stated"),
        ("source", entry.source),
        ("SHA-256", entry.sha256 or "not stated"),
        ("registry", place),
        ("withdrawn", entry.yanked or ""),
    ]
    print_table(("field", "value"), [row for row in rows if row[1]], narrow=("field",))


def _install(
    names: list[str],
    *,
    yes: bool,
    dry_run: bool,
    upgrade: bool,
    wheels: Path | None,
    registry: list[str] | None,
    offline: bool,
    as_json: bool,
) -> None:
    from lect.api.registries import open_named
    from lect.registry.pip import install as install_all
    from lect.registry.pip import preview
    from lect.registry.plugins import resolve

    opened = open_named(registry, offline)
    requirements = [resolve(name, opened) for name in names]
    with stderr_console().status("Asking pip what would change"):
        changes = preview(requirements, upgrade=upgrade, wheels=wheels)
    if as_json:
        print_json({"changes": [asdict(change) for change in changes], "done": not dry_run})
    else:
        _print_changes(changes)
    if dry_run or not changes:
        return
    if not as_json:
        warn("a plugin is code: it can read, change and send all that you can")
    _agree("Install?", yes or as_json)
    with stderr_console().status("Installing"):
        install_all(changes, wheels=wheels)
    if not as_json:
        echo("installed; lect plugins --check says whether they work")


def _print_changes(changes: list[Change]) -> None:
    if not changes:
        echo("Nothing would change.")
        return
    rows = [(change.name, change.before or "-", change.after) for change in changes]
    print_table(("distribution", "now", "then"), rows)


def _agree(question: str, yes: bool) -> None:
    if not yes and not typer.confirm(question, err=True):
        raise typer.Abort

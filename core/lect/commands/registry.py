"""`lect registry`: where components and plugins are looked for, and keeping a registry of one's own."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lect.commands.console import print_json, print_table, warn
from lect.commands.options import JsonOption

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Where components and plugins are looked for.")


@app.command()
def add(
    source: Annotated[str, typer.Argument(help="A folder, file: or https: URL, or hf:owner/name@revision.")],
    name: Annotated[str | None, typer.Option("--name", help="What to call it; by its source if absent.")] = None,
    mirror: Annotated[
        list[str] | None, typer.Option("--mirror", help="Another place with the same files. Repeatable.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="A public key of minisign: pull only what is signed with it.")
    ] = None,
    first: Annotated[bool, typer.Option("--first", help="Look there before the others.")] = False,
) -> None:
    """Look in this registry, too, after those that were added before."""
    from lect.registry.opened import open_registries
    from lect.registry.settings import KnownRegistry, add_registry, name_for
    from lect.registry.signing import check_key
    from lect.registry.sources import parse_source

    places = [parse_source(place) for place in (source, *(mirror or ()))]
    known = KnownRegistry(
        name=name or name_for(str(places[0])),
        source=str(places[0]),
        mirrors=tuple(str(place) for place in places[1:]),
        key=check_key(key) if key else None,
    )
    # Fetched before it is noted down: what cannot be read would be in the way of every search.
    [opened] = open_registries([known], offline=False, report=warn)
    add_registry(known, first=first)
    count = len(opened.index.keys())
    signed = ", only what is signed" if known.key else ""
    typer.echo(f"{known.name}  {known.source}: {count:,} components{signed}")


@app.command()
def remove(name: Annotated[str, typer.Argument(help="The registry's name.")]) -> None:
    """Look there no more. What was pulled stays."""
    from lect.registry.settings import remove_registry

    removed = remove_registry(name)
    typer.echo(f"{removed.name}  {removed.source}: removed")


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the registries in the order in which they are looked in."""
    from lect.registry.settings import known_registries

    every = known_registries()
    if as_json:
        print_json([asdict(known) for known in every])
        return
    rows = [
        (known.name, "\n".join((known.source, *(f"or {place}" for place in known.mirrors))), known.key or "-")
        for known in every
    ]
    print_table(("registry", "source", "signed with"), rows, narrow=("registry",))


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(help="A registry's folder.")] = Path(),
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for any free one.")] = 8765,
) -> None:
    """Serve a registry's files over HTTP, for this machine or a local network, until Ctrl-C."""
    from lect.registry.serve import open_server

    with open_server(folder, host, port) as server:
        typer.echo(f"http://{host}:{server.server_port}/  serves {folder.absolute()}")
        server.serve_forever()

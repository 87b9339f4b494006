"""`lect serve`: the server, and the hash of a key for its settings."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Annotated, Any

import typer

from lect import ExecutorSpec, ServeWork, UserError
from lect.cli import ComponentsOption, echo, library_of, load_host, settings_of, warn

app = typer.Typer(add_completion=False, invoke_without_command=True)


@app.callback()
def serve(
    ctx: typer.Context,
    stack: Annotated[
        list[str] | None,
        typer.Option("--stack", "-s", help="Loaded before the first request; the first is the default. Repeatable."),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option("--backbone", help="A backbone's name, hub id or folder; the first stack's by default."),
    ] = None,
    library: ComponentsOption = None,
    host: Annotated[str | None, typer.Option("--host", help="The address to listen on; 127.0.0.1 by default.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="8080 by default; 0 for any free one.")
    ] = None,
    graphs: Annotated[
        bool | None, typer.Option("--graphs", help="Record the layers as CUDA graphs, for small batches on a GPU.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="serve.toml, with all other settings.")] = None,
    on: Annotated[
        str, typer.Option("--on", help="Where requests are answered: local, ray, or what else a plugin brings.")
    ] = "local",
    on_option: Annotated[
        list[str] | None,
        typer.Option("--on-option", help="A setting of that place, such as workers=4. Repeatable."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--log", help="Log every request, as JSON, to standard error.")] = False,
    new_key: Annotated[
        str | None,
        typer.Option("--new-key", metavar="NAME", help="Make a bearer key, print it and its table; no more."),
    ] = None,
) -> None:
    """Answer over HTTP with any stack of one frozen model, until Ctrl-C.

    Whatever components are in the library can be asked for: they are loaded when they are first named.
    """
    if new_key is not None:
        _print_key(new_key)
        return
    from lect_serve.access import Access, is_loopback
    from lect_serve.running import freeze_what_is_loaded, run
    from lect_serve.settings import read_settings

    given: dict[str, Any] = {
        name: value
        for name, value in {
            "stacks": tuple(stack) if stack else None, "backbone": backbone, "host": host, "port": port,
            "graphs": graphs,
        }.items()
        if value is not None
    }  # fmt: skip
    settings = read_settings(config, given)
    folder = library or (Path(settings.library).expanduser() if settings.library else None)
    if not settings.keys and not is_loopback(settings.host):
        warn(f"whoever reaches {settings.host} may ask: no keys are set; lect serve --new-key NAME makes one")
    host_, stored, access = load_host(ctx), library_of(folder), Access(settings.keys, config)
    if on == "local":
        if on_option:
            raise UserError("settings are given for no place", where="--on-option", fix="name it with --on")
        from lect_serve.app import make_app
        from lect_serve.service import Service

        service = Service(settings, host_, stored, access)
        service.on_ready = freeze_what_is_loaded
        run(service, make_app(service), log=verbose)
        return
    from lect_serve.front import Front, make_front
    from lect_serve.replica import OpenReplica

    place = host_.configured(ExecutorSpec, on, settings_of(on_option), f"--on {on}")
    serve_there = place.spec.serve
    if serve_there is None:
        raise UserError(f'requests are not answered on "{on}"', where=f"--on {on}", fix="leave --on out")
    opening = OpenReplica(settings, stored.folders, Path.cwd())
    front = Front(settings, access, lambda: serve_there(place.config, ServeWork(opening)))
    run(front, make_front(front), log=verbose)


def _print_key(name: str) -> None:
    secret = f"lect-{secrets.token_urlsafe(32)}"
    echo(f"# the key, which is not kept anywhere: {secret}")
    echo("[[keys]]")
    echo(f'name = "{name}"')
    echo(f'sha256 = "{hashlib.sha256(secret.encode()).hexdigest()}"')

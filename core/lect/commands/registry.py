"""`lect registry`: where components and plugins are looked for, and keeping a registry of one's own."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lect.commands.app import FAILURE, load_host
from lect.commands.console import complain, echo, note, print_json, print_table, stderr_console, warn
from lect.commands.options import ComponentsOption, JsonOption, library_of, listed
from lect.errors import UserError, one_line

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
    echo(f"{known.name}  {known.source}: {count:,} components{signed}")


@app.command()
def remove(name: Annotated[str, typer.Argument(help="The registry's name.")]) -> None:
    """Look there no more. What was pulled stays."""
    from lect.registry.listing import forget
    from lect.registry.settings import remove_registry

    removed = remove_registry(name)
    forget(removed.name)
    echo(f"{removed.name}  {removed.source}: removed")


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
        echo(f"http://{host}:{server.server_port}/  serves {folder.absolute()}")
        server.serve_forever()


@app.command()
def build(
    folder: Annotated[Path, typer.Argument(help="A folder; made if it is not there.")],
) -> None:
    """Start a registry in a folder, and enter the components that lie in it and are not listed yet."""
    from lect.registry.build import build_registry

    added = build_registry(folder)
    for entry in added:
        echo(f"{entry.reference}  entered")
    echo(f"{folder / 'registry.toml'}  {len(added)} components entered")


@app.command()
def check(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A registry's folder.")] = Path(),
    key: Annotated[str | None, typer.Option("--key", help="A public key that all have to be signed with.")] = None,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Compute results again, where the data of the recipes is at hand.")
    ] = False,
    data: Annotated[
        Path, typer.Option("--data", help="Where relative paths of the recipes start; for --recompute.")
    ] = Path(),
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, help="How far a score may be from the stated one.")
    ] = 0.02,
) -> None:
    """Check a registry: schema, licences, languages, hashes, manifests, weights, cards, audits, signatures.

    With --recompute every component is scored anew on the validation rows of its own recipe. Recipes name files to
    read: do so only for components that you trust.
    """
    from lect.registry.check import check_registry
    from lect.registry.signing import check_key

    problems = list(check_registry(folder, key=check_key(key) if key else None))
    for problem in problems:
        echo(one_line(problem))
    count = len(problems)
    if recompute and not count:
        count = _recompute(ctx, folder, data, tolerance)
    if count:
        complain(f"{count} {'problem' if count == 1 else 'problems'} in {folder / 'registry.toml'}")
        raise typer.Exit(FAILURE)
    echo(f"{folder / 'registry.toml'}  is sound")


def _recompute(ctx: typer.Context, folder: Path, data: Path, tolerance: float) -> int:
    """How many results are others than they are stated to be."""
    from lect.registry.recompute import recompute_results

    host, count = load_host(ctx), 0
    with stderr_console().status("Loading") as status:
        for one in recompute_results(
            folder, host, data=data, tolerance=tolerance, progress=lambda what, share: status.update(what)
        ):
            count += len(one.problems)
            for problem in one.problems:
                echo(one_line(f"{one.reference}: {problem}"))
            if one.missing:
                note(one_line(f"{one.reference}: not computed again: {one.missing}"))
            elif not one.problems:
                echo(f"{one.reference}: {one.compared} scores are as they were")
    return count


@app.command()
def rebuild(
    ctx: typer.Context,
    references: Annotated[
        list[str] | None, typer.Argument(metavar="[REF]...", help="Starter components; without any they are listed.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--registry", help="A registry's folder; by default the one that comes with lect.")
    ] = None,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a starter component by its recipe, and compare its weights with those that the registry lists."""
    from lect.registry.settings import bundled_registry

    place = folder or bundled_registry()
    if place is None:
        raise UserError("no registry came with this lect", fix="name one with --registry FOLDER")
    if references:
        _rebuild(ctx, references, place, components, as_json)
        return
    from lect.languages.tags import display_name
    from lect.registry.rebuild import starters

    entries = starters(place)
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    rows = [
        (entry.key, entry.version, entry.licence, entry.summary or ", ".join(map(display_name, entry.languages)))
        for entry in entries
    ]
    print_table(("component", "version", "licence", "summary"), rows, narrow=("component", "version"))


def _rebuild(ctx: typer.Context, references: list[str], place: Path, components: Path | None, as_json: bool) -> None:
    from lect.registry.rebuild import rebuild as rebuild_one
    from lect.registry.rebuild import starters

    entries = starters(place, references)
    host, library, console = load_host(ctx), library_of(components), stderr_console()
    done = [rebuild_one(entry, place, host, library, console=console) for entry in entries]
    if as_json:
        print_json(
            [
                {
                    "component": each.entry.key,
                    "folder": str(each.folder),
                    "weights": each.weights,
                    "listed": each.entry.weights,
                    "environment": each.environment,
                    "scores": {score.metric: {"value": score.own, "listed": score.listed} for score in each.scores},
                }
                for each in done
            ]
        )
    for each in () if as_json else done:
        echo(f"{each.entry.key}  {each.folder}")
        if each.is_equal:
            echo(f"equal to the bit: SHA-256 {each.weights}")
        else:
            echo(f"trained in: {each.environment}\nlisted for: {each.entry.environment}")
            for score in each.scores:
                echo(f"{score.metric} {score.own:.4f}, listed {score.listed:.4f}")
        if each.is_as_good:
            echo("another environment rounds sums otherwise: other bits, and scores as they are listed")
    different = [each for each in done if not (each.is_equal or each.is_as_good)]
    for each in different:
        complain(f"{each.entry.key}: its weights are {each.weights}, and {each.entry.weights} are listed")
        if far := [score for score in each.scores if not score.is_close]:
            complain(f"{each.entry.key}: {far[0].metric} is {far[0].own:.4f}, and {far[0].listed:.4f} is listed")
    if different:
        raise typer.Exit(FAILURE)


@app.command()
def starters(
    recipe: Annotated[Path, typer.Argument(help="The recipe, of one component or of a fleet; in the folder.")],
    languages: Annotated[
        str | None, typer.Option("--languages", "-l", help="Of a fleet, such as ace,jav; by default all.")
    ] = None,
    folder: Annotated[Path, typer.Option("--to", help="The registry's folder.")] = Path(),
    components: ComponentsOption = None,
) -> None:
    """List what a recipe trained as starters: the recipe, hashes of weights, gates and results."""
    from lect.registry.starters import enter_starters

    for entry in enter_starters(recipe, folder, library_of(components), listed(languages)):
        echo(f"{entry.key}  {entry.weights}")


@app.command("yank")
def yank(
    reference: Annotated[str, typer.Argument(metavar="REF", help="A component with its version: lang:mad@1.2.0.")],
    reason: Annotated[str | None, typer.Option("--reason", help="Why nobody should use it any more.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Offer it again.")] = False,
    folder: Annotated[Path, typer.Option("--to", help="The registry's folder.")] = Path(),
    sign: Annotated[Path | None, typer.Option("--sign", help="Sign the listing with this secret key.")] = None,
) -> None:
    """Withdraw a version: it stays for those who locked it, and is not chosen any more."""
    from lect.commands.sharing import key_of
    from lect.registry.build import withdraw
    from lect.registry.listing import is_signed

    if bool(reason) == undo:
        raise UserError("say either why it is withdrawn or that it no longer is", fix="give --reason TEXT, or --undo")
    entry = withdraw(folder, reference, reason, key_of(sign))
    if sign is None and is_signed(folder):
        warn(f"the listing was signed, and no longer is: lect registry sign KEY --to {shlex.quote(str(folder))}")
    echo(f"{entry.reference}  {'offered again' if undo else f'withdrawn: {reason}'}")


@app.command("sign")
def sign(
    key: Annotated[Path, typer.Argument(metavar="KEY", help="A secret key of minisign.")],
    folder: Annotated[Path, typer.Option("--to", help="The registry's folder.")] = Path(),
) -> None:
    """Sign a registry's listing: who knows the key then sees older listings, and changed ones, as what they are."""
    from lect.commands.sharing import key_of
    from lect.registry.folder import read_folder_registry
    from lect.registry.format import SIGNATURE
    from lect.registry.listing import sign_listing
    from lect.registry.push import locked

    read_folder_registry(folder)
    given = key_of(key)
    assert given is not None
    with locked(folder):
        counter = sign_listing(folder, given.file, given.password)
    echo(f"{folder / SIGNATURE}  signed, number {counter}")


@app.command("key")
def make_key(
    file: Annotated[Path, typer.Argument(help="Where to write the secret key.")],
) -> None:
    """Make a key pair of minisign, to sign with `lect push --sign`; prints the public key."""
    from lect.registry.signing import new_key

    public = new_key(file)
    echo(f"{file}  is the secret key: keep it to yourself")
    echo(f"public key: {public}")

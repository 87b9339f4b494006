"""`lect fleet`: a component for each of several languages, by one recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lect.commands.app import FAILURE, INTERRUPTED, Settings, load_host
from lect.commands.console import echo, print_json, print_table, stderr_console, warn
from lect.commands.options import ComponentsOption, JsonOption, library_of, settings_of

if TYPE_CHECKING:
    from lect.fleet.run import Fate

app = typer.Typer(add_completion=False)


@app.command()
def fleet(
    ctx: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="The recipe, a TOML file.")],
    languages: Annotated[
        str | None,
        typer.Option(
            "--languages", "-l", help="Tags or names, such as ace,jav,sun; by default those of the table [fleet]."
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field of the recipe for every language. Repeatable."),
    ] = None,
    on: Annotated[str, typer.Option("--on", help="Where to run: local, ray, or what else a plugin brings.")] = "local",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="A setting of that place, such as address=auto. Repeatable."),
    ] = None,
    at_once: Annotated[int | None, typer.Option(min=1, help="The most runs at one time; local: 1 by default.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Train anew what is finished or was stopped, too.")] = False,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train one component for each language by one recipe.

    In the recipe's texts {language} stands for the language, and other words in braces for what its table
    [fleet.LANGUAGE] says. What is finished is not run again, what was stopped goes on from its checkpoint, and a run
    that fails stops no other.
    """
    from lect.fleet.plan import plan_fleet
    from lect.fleet.run import look, sail
    from lect.recipes.licences import licence_notes
    from lect.specs import ExecutorSpec

    wanted = [language.strip() for language in (languages or "").split(",") if language.strip()]
    runs = plan_fleet(recipe, wanted, tuple(changes or ()))
    host = load_host(ctx)
    configured = host.configured(ExecutorSpec, on, settings_of(option), f"--on {on}")
    library = library_of(components)
    fates = look(runs, library, Path("runs") / f"fleet-{recipe.stem}", again=again)
    for fate in fates:
        if fate.status == "waiting":
            for line in licence_notes(fate.run.recipe):
                warn(line)
    console = stderr_console()
    settings = ctx.obj if isinstance(ctx.obj, Settings) else Settings()
    with host.attributed(configured) as executor:
        fates = sail(
            fates,
            recipe,
            executor,
            configured.config,
            library,
            at_once=at_once,
            options=("--components", str(components)) if components is not None else (),
            block=settings.block,
            told=lambda fate: console.print(_told(fate), soft_wrap=True, markup=False),
        )
    failed = [fate for fate in fates if fate.status == "failed"]
    unfinished = [fate for fate in fates if fate.status in ("stopped", "waiting")]
    if as_json:
        print_json([_record(fate) for fate in fates])
    else:
        _print(fates)
    if unfinished:
        console.print("Stopped. The same command goes on.")
        raise typer.Exit(INTERRUPTED)
    if failed:
        raise typer.Exit(FAILURE)


def _told(fate: Fate) -> str:
    key = fate.run.recipe.key
    if fate.status == "running":
        return f"{fate.run.language}: {key} {'goes on from its checkpoint' if fate.resumed else 'started'}"
    at = f" on {fate.where}" if fate.where else ""
    return f"{fate.run.language}: {fate.status}{at}{f': {fate.error}' if fate.error else ''}"


def _print(fates: Sequence[Fate]) -> None:
    rows = []
    for fate in fates:
        training = fate.manifest.training if fate.manifest else None
        rows.append(
            [
                fate.run.language,
                fate.run.recipe.key,
                fate.status,
                f"{training.steps:,}" if training else "",
                f"{training.seconds:,.0f}" if training else "",
                _score(fate),
            ]
        )
    print_table(
        ["language", "component", "status", "steps", "seconds", "validation"],
        rows,
        right=["steps", "seconds"],
        narrow=["language", "status"],
    )
    for fate in fates:
        if fate.status == "failed":
            echo(f"{fate.run.language}: {fate.error} (all it said: {fate.log})")


def _score(fate: Fate) -> str:
    result = next(iter(fate.manifest.results), None) if fate.manifest else None
    return f"{result.metric} {result.value:.4f}" if result else ""


def _record(fate: Fate) -> dict[str, Any]:
    training = fate.manifest.training if fate.manifest else None
    return {
        "language": fate.run.language,
        "component": fate.run.recipe.key,
        "status": fate.status,
        "resumed": fate.resumed,
        "folder": str(fate.folder) if fate.folder else None,
        "steps": training.steps if training else None,
        "seconds": training.seconds if training else None,
        "validation": {result.metric: result.value for result in fate.manifest.results} if fate.manifest else {},
        "error": fate.error or None,
        "where": fate.where or None,
        "log": str(fate.log) if fate.log else None,
    }

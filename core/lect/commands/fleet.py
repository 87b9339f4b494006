"""`lect fleet`: a component for each of several languages, by one recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lect.commands.app import FAILURE, INTERRUPTED, Settings, load_host
from lect.commands.console import echo, print_json, print_table, stderr_console, warn
from lect.commands.options import ComponentsOption, JsonOption, library_of, listed, settings_of

if TYPE_CHECKING:
    from lect.fleet.run import LanguageStatus

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
    from lect.fleet.run import look, run_fleet
    from lect.recipes.licences import licence_notes
    from lect.specs import ExecutorSpec

    wanted = listed(languages)
    runs = plan_fleet(recipe, wanted, tuple(changes or ()))
    host = load_host(ctx)
    configured = host.configured(ExecutorSpec, on, settings_of(option), f"--on {on}")
    library = library_of(components)
    statuses = look(runs, library, Path("runs") / f"fleet-{recipe.stem}", again=again)
    for status in statuses:
        if status.status == "waiting":
            for line in licence_notes(status.run.recipe):
                warn(line)
    console = stderr_console()
    settings = ctx.obj if isinstance(ctx.obj, Settings) else Settings()
    with host.attributed(configured) as executor:
        statuses = run_fleet(
            statuses,
            recipe,
            executor,
            configured.config,
            library,
            at_once=at_once,
            options=("--components", str(components)) if components is not None else (),
            block=settings.block,
            told=lambda status: console.print(_told(status), soft_wrap=True, markup=False),
        )
    failed = [status for status in statuses if status.status == "failed"]
    unfinished = [status for status in statuses if status.status in ("stopped", "waiting")]
    if as_json:
        print_json([_record(status) for status in statuses])
    else:
        _print(statuses)
    if unfinished:
        console.print("Stopped. The same command goes on.")
        raise typer.Exit(INTERRUPTED)
    if failed:
        raise typer.Exit(FAILURE)


def _told(status: LanguageStatus) -> str:
    key = status.run.recipe.key
    if status.status == "running":
        return f"{status.run.language}: {key} {'goes on from its checkpoint' if status.resumed else 'started'}"
    at = f" on {status.where}" if status.where else ""
    return f"{status.run.language}: {status.status}{at}{f': {status.error}' if status.error else ''}"


def _print(statuses: Sequence[LanguageStatus]) -> None:
    rows = []
    for status in statuses:
        training = status.manifest.training if status.manifest else None
        rows.append(
            [
                status.run.language,
                status.run.recipe.key,
                status.status,
                f"{training.steps:,}" if training else "",
                f"{training.seconds:,.0f}" if training else "",
                _score(status),
            ]
        )
    print_table(
        ["language", "component", "status", "steps", "seconds", "validation"],
        rows,
        right=["steps", "seconds"],
        narrow=["language", "status"],
    )
    for status in statuses:
        if status.status == "failed":
            echo(f"{status.run.language}: {status.error} (all it said: {status.log})")


def _score(status: LanguageStatus) -> str:
    result = next(iter(status.manifest.results), None) if status.manifest else None
    return f"{result.metric} {result.value:.4f}" if result else ""


def _record(status: LanguageStatus) -> dict[str, Any]:
    training = status.manifest.training if status.manifest else None
    return {
        "language": status.run.language,
        "component": status.run.recipe.key,
        "status": status.status,
        "resumed": status.resumed,
        "folder": str(status.folder) if status.folder else None,
        "steps": training.steps if training else None,
        "seconds": training.seconds if training else None,
        "validation": {result.metric: result.value for result in status.manifest.results} if status.manifest else {},
        "error": status.error or None,
        "where": status.where or None,
        "log": str(status.log) if status.log else None,
    }

"""`lect train`: a component as a recipe says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lect.commands.app import INTERRUPTED, load_host
from lect.commands.console import print_json, stderr_console, stdout_console, warn
from lect.commands.options import ComponentsOption, JsonOption, library_of

app = typer.Typer(add_completion=False)


@app.command()
def train(
    ctx: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="The recipe, a TOML file.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field of the recipe, such as training.seed=1. Repeatable."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint of this recipe.")] = False,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a component as a recipe says, and write it where stacks find it."""
    from lect.recipes.load import load_recipe

    loaded = load_recipe(recipe, overrides=tuple(changes or ()))
    host = load_host(ctx)
    console = stderr_console()
    with console.status("Loading") as status:
        from lect.training.loop import Interrupted
        from lect.training.run import describe_truncated, execute_run, prepare_run

        run = prepare_run(
            loaded, host, library_of(components), progress=lambda what, share: status.update(f"{what} {share:.0%}")
        )
    rows = sum(len(data.examples) for data in run.train)
    if cut := describe_truncated(run.truncated, rows, run.encoder.max_length):
        warn(cut)
    try:
        trained = execute_run(run, console=console, resume=resume)
    except Interrupted as interruption:
        again = f"lect train {recipe} " + "".join(f"--set {change} " for change in changes or ())
        console.print(f"Stopped at step {interruption.step} of {interruption.total}. Go on with: {again}--resume")
        raise typer.Exit(INTERRUPTED) from None
    result = trained.result
    if as_json:
        print_json(_summary(run.component.key, trained))
        return
    out = stdout_console()
    out.print(f"[bold]{run.component.key}[/bold]  {trained.folder}", soft_wrap=True)
    out.print(f"{rows} rows, {result.steps} steps, {result.seconds:.0f} s, {trained.parameters:,} parameters")
    out.print(f"{trained.precision}")
    for name, value in result.scores.items():
        if "[" not in name:
            out.print(f"validation {name} {value:.4f}")


def _summary(key: str, trained: Any) -> dict[str, Any]:
    result = trained.result
    return {
        "component": key,
        "folder": str(trained.folder),
        "steps": result.steps,
        "seconds": result.seconds,
        "parameters": trained.parameters,
        "precision": trained.precision,
        "validation": dict(result.scores),
    }

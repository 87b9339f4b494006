"""`lect launch`: `lect train` in several processes, on one machine or several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lect.commands.app import Settings

app = typer.Typer(add_completion=False)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def launch(
    ctx: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="The recipe, a TOML file.")],
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes on this machine; one for each GPU where it is left out.")
    ] = None,
    machines: Annotated[int, typer.Option(min=1, help="How many machines take part; start the command on each.")] = 1,
    machine_rank: Annotated[int, typer.Option(min=0, help="Which of them this one is; 0 is the main one.")] = 0,
    main_address: Annotated[str | None, typer.Option(help="Where the others reach the main machine.")] = None,
    main_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port there; any that is free on one machine.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A file by `accelerate config`, such as one that shards the model (FSDP).")
    ] = None,
) -> None:
    """Train as a recipe says in several processes; options of `lect train` go on to it."""
    from lect.training.distributed.launching import Launch, launch_training

    settings = ctx.obj if isinstance(ctx.obj, Settings) else Settings()
    blocked = [word for name in settings.block for word in ("--no-plugin", name)]
    command = [*blocked, "train", str(recipe), *ctx.args]
    code = launch_training(
        Launch(processes, machines, machine_rank, main_address, main_port, config),
        command,
    )
    if code:
        raise typer.Exit(code)

"""`lect train`: components as a recipe says."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lect.commands.app import INTERRUPTED, load_host
from lect.commands.console import print_json, print_table, shown_in, stderr_console, stdout_console, warn
from lect.commands.options import ComponentsOption, JsonOption, library_of
from lect.counts import number_of
from lect.errors import Interrupted, UserError

if TYPE_CHECKING:
    from lect.host import Host
    from lect.training.run import Trained

app = typer.Typer(add_completion=False)

_UNSCORED = (
    "No score yet: the run had no rows for validation (--set data.validation_share=0.1 gives it some). lect eval "
    "scores it on other data."
)


@app.command()
def train(
    ctx: typer.Context,
    recipes: Annotated[list[Path] | None, typer.Argument(metavar="RECIPE", help="The recipe, a TOML file.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field of the recipe, such as training.seed=1. Repeatable."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint of this recipe.")] = False,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a component, or several in one run, as a recipe says, and write them where stacks find them."""
    from lect.recipes.load import load_any_recipe

    host = load_host(ctx)
    recipe = _recipe(recipes or (), host)
    loaded = load_any_recipe(recipe, tuple(changes or ()), host)
    console = stderr_console()
    with console.status("Loading") as status:
        from lect.composition.windows import describe_truncated
        from lect.recipes.licences import licence_notes
        from lect.training.data import data_notes, imbalance_note
        from lect.training.distributed.processes import leave_processes
        from lect.training.prepare import prepare_run
        from lect.training.run import execute_run

        run = prepare_run(loaded, host, library_of(components), progress=shown_in(status))
    for inputs in run.inputs:
        for note in data_notes(inputs.train, inputs.recipe.data.overlap, inputs.switching):
            console.print(note, markup=False)
        if uneven := imbalance_note(inputs.recipe, inputs.train, host):
            warn(uneven)
        for line in licence_notes(inputs.recipe):
            warn(line)
    if cut := describe_truncated(run.truncated, run.rows, run.limit):
        warn(cut)
    processes = run.setup.processes
    try:
        trained = execute_run(run, console=console, resume=resume)
    except Interrupted as interruption:
        if not processes.is_main:
            raise typer.Exit(INTERRUPTED) from None
        # Of several processes only the launcher knows how they were started.
        again = _again(ctx, recipe, changes or (), components)
        how = f": {again}" if processes.count == 1 else " the same command and --resume"
        told = f"Stopped at step {interruption.step} of {interruption.total}. Go on with{how}"
        # As one line and as it is: to be pasted.
        console.print(told, soft_wrap=True, markup=False, emoji=False)
        raise typer.Exit(INTERRUPTED) from None
    leave_processes()
    if not processes.is_main:
        return
    is_mixed = run.role == "mix"
    if as_json:
        summaries = [_summary(one) for one in trained]
        print_json(summaries if is_mixed else summaries[0])
        return
    out = stdout_console()
    for one in trained:
        out.print(f"{one.key}  {one.folder}", soft_wrap=True)
    result = trained[0].result
    count = sum(one.parameters for one in trained)
    length = f"{number_of(run.rows, 'row')}, {number_of(result.steps, 'step')}, {result.seconds:.0f} s"
    out.print(f"{length}, {number_of(count, 'parameter')}")
    out.print(trained[0].precision)
    if is_mixed:
        _print_table(trained)
        return
    if not result.scores:
        out.print(_UNSCORED, markup=False)
    for name, value in result.scores.items():
        if "[" not in name:
            out.print(f"validation {name} {value:.4f}")


def _recipe(given: Sequence[Path], host: Host) -> Path:
    """The recipe; of data without one the command that writes it is said. Raises `UserError` for anything but one."""
    if len(given) == 1 and (given[0].suffix == ".toml" or not given[0].exists()):
        return given[0]
    data = [path for path in given if path.suffix != ".toml" and path.exists()]
    if len(data) == len(given):
        from lect.authoring.offer import command_for

        what = "this is data, not a recipe" if data else "nothing says what to train"
        fix = f"have a recipe written: {command_for(data, host)}"
        raise UserError(what, where=" ".join(map(str, data)) or None, fix=fix)
    raise UserError(
        f"{len(given)} recipes, and one is trained at a time",
        where=" ".join(map(str, given)),
        fix="name one; [[train.mix]] in a recipe names several that are trained together",
    )


def _again(ctx: typer.Context, recipe: Path, changes: Sequence[str], components: Path | None) -> str:
    """The command that goes on, as a shell takes it."""
    blocked = [word for name in ctx.find_root().params.get("no_plugin") or () for word in ("--no-plugin", name)]
    changed = [word for change in changes for word in ("--set", change)]
    where = ["--components", str(components)] if components is not None else []
    return shlex.join(["lect", *blocked, "train", str(recipe), *changed, *where, "--resume"])


def _print_table(trained: Sequence[Trained]) -> None:
    """A line for each component of a mixed run, with the first of its scores."""
    rows = []
    for one in trained:
        name, score = next(iter(one.result.scores.items()), ("", None))
        said = "not scored" if score is None else f"{name} {score:.4f}"
        rows.append([one.key, f"{one.result.rows:,}", f"{one.parameters:,}", said])
    print_table(["component", "rows seen", "parameters", "validation"], rows, right=["rows seen", "parameters"])
    if not all(one.result.scores for one in trained):
        stdout_console().print(_UNSCORED, markup=False)


def _summary(trained: Trained) -> dict[str, Any]:
    result = trained.result
    return {
        "component": trained.key,
        "folder": str(trained.folder),
        "steps": result.steps,
        "rows": result.rows,
        "seconds": result.seconds,
        "parameters": trained.parameters,
        "precision": trained.precision,
        "validation": dict(result.scores),
    }

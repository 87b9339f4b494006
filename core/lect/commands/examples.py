"""`lect examples`: the recipes that come with `lect`, and copies of them to change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lect.commands.console import echo, print_json, print_table
from lect.commands.options import JsonOption

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def examples() -> None:
    """List the recipes that come with lect, and copy them to change."""


@app.command("list")
def list_examples(as_json: JsonOption = False) -> None:
    """List the recipes, what they teach and which data sets they read."""
    from lect.registry.examples import example_recipes

    found = example_recipes()
    if as_json:
        print_json([{"name": each.name, "summary": each.summary, "data": list(each.data)} for each in found])
        return
    print_table(
        ("name", "what it is", "data sets"),
        [(each.name, each.summary, "\n".join(each.data) or "none needed") for each in found],
        narrow=("name", "data sets"),
    )
    echo("lect examples copy NAME --data FOLDER: one that reads the data in FOLDER.")


@app.command("copy")
def copy(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Recipes, or folders of them.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder that they are copied to.")] = Path(
        "examples"
    ),
    data: Annotated[
        Path | None, typer.Option(help="Where the data sets are, each in the folder of its name.", file_okay=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Copy recipes, or all of a folder, to change and train them."""
    from lect.registry.examples import chosen, copy_examples, seen_data

    found = chosen(names)
    for target in copy_examples(found, output, data=data, overwrite=force):
        echo(str(target))
    place = data if data is not None else seen_data(output)
    missing = dict.fromkeys(name for each in found for name in each.data if not (place / name).exists())
    if missing:
        echo(f"They read {', '.join(missing)} in {place}, where they are not; --data FOLDER says where they are.")

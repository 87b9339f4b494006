"""`lect recipe`: what may stand in a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lect.commands.app import load_host
from lect.commands.console import echo, echo_paragraph, print_json
from lect.commands.options import JsonOption
from lect.errors import UserError, nearest

if TYPE_CHECKING:
    from lect.recipes.reference import RecipeField, RecipeTable

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def recipe() -> None:
    """Say what may stand in a recipe, field by field."""


@app.command()
def fields(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(help="A table (training), a field (training.epochs), or what a plugin brings (lora, csv)."),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown; without a name all there is.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print every field with its type, its default and what it means; without a name those of recipes themselves."""
    from dataclasses import asdict

    from lect.recipes.reference import markdown_of, plugin_tables, recipe_tables

    tables = recipe_tables()
    if name is not None:
        tables = _named(name, (*tables, *plugin_tables(load_host(ctx))))
    elif markdown:
        tables = (*tables, *plugin_tables(load_host(ctx)))
    if markdown:
        echo(markdown_of(tables).rstrip())
        return
    if as_json:
        print_json([asdict(table) for table in tables])
        return
    for number, table in enumerate(tables):
        _print(table, first=number == 0)
    if name is None:
        echo("")
        echo("Of a method, head, objective or reader: lect recipe fields bottleneck")


def _named(name: str, tables: tuple[RecipeTable, ...]) -> tuple[RecipeTable, ...]:
    """The tables that a name means; of a single field the table with this one alone."""
    from dataclasses import replace

    wanted = name.strip("[]")
    found = tuple(table for table in tables if wanted in (table.name, table.name.partition(" ")[2]))
    if found:
        return found
    inside, _, field = wanted.rpartition(".")
    single = [
        replace(table, fields=tuple(each for each in table.fields if each.name == field))
        for table in tables
        if inside in ("", table.name, table.name.partition(" ")[2])
    ]
    if found := tuple(table for table in single if table.fields):
        return found
    known = {*(table.name for table in tables), *(table.name.partition(" ")[2] for table in tables)} - {""}
    known |= {field.name for table in tables for field in table.fields}
    close = nearest(name, known)
    fix = close if close.startswith("did you mean") else "lect recipe fields lists all tables"
    raise UserError(f'there is no field or table "{name}"', fix=fix)


def _print(table: RecipeTable, *, first: bool) -> None:
    if not first:
        echo("")
    kind, _, own = table.name.partition(" ")
    head = f'{kind} "{own}": {table.title}' if own else f"[{table.name}] {table.title}"
    echo_paragraph(head, hanging="  ")
    for field in table.fields:
        echo_paragraph(_head(field), "  ", hanging="  ")
        for text in filter(None, (field.deprecated, field.meaning)):
            echo_paragraph(text, "      ", hanging="  ")
    if not table.fields:
        echo("  nothing to say")


def _head(field: RecipeField) -> str:
    if field.default is None:
        return f"{field.name}: {field.kind}, has to be given"
    return f"{field.name}: {field.kind}" + (f" = {field.default}" if field.default else "")

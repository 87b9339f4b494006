"""`lect eval`: a stack's scores, with and without each of its components."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lect.commands.app import load_host
from lect.commands.console import note, stderr_console, stdout_console
from lect.commands.options import (
    BackboneOption,
    ComponentsOption,
    FieldOption,
    JsonOption,
    LanguageOption,
    NearestOption,
    ReaderOption,
    StackOption,
    library_of,
    source_of,
    with_auto,
)

app = typer.Typer(add_completion=False)


@app.command("eval")
def evaluate(
    ctx: typer.Context,
    matrix: Annotated[Path | None, typer.Argument(help="Languages × stacks instead: a TOML file.")] = None,
    stack: StackOption = "",
    data: Annotated[str | None, typer.Option("--data", "-d", help="A labelled or parallel file.")] = None,
    reader: ReaderOption = None,
    option: FieldOption = None,
    backbone: BackboneOption = None,
    language: LanguageOption = None,
    nearest: NearestOption = 1,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", help="Write the report there too: .json or .md; of a matrix .html or .csv as well."),
    ] = None,
    cells: Annotated[
        Path | None, typer.Option("--cells", help="Where a matrix keeps what is scored, to go on from there.")
    ] = None,
) -> None:
    """Score a stack, with and without each of its components; or, with a file, languages × stacks.

    A stack with a head is scored by its answers to labelled rows; one without by how often a text's vector finds its
    translation.
    """
    from lect.errors import UserError

    if matrix is not None:
        from lect.commands.matrix import Shown, evaluate_matrix

        if stack or data or reader or option or backbone:
            raise UserError(
                "a matrix and --stack, --data, --reader, --option or --backbone are given both",
                where=str(matrix),
                fix="say them in the file",
            )
        library = None if components is None else library_of(components)
        shown: Shown = "json" if as_json else "markdown" if markdown else "table"
        evaluate_matrix(matrix, load_host(ctx), library, cells, output or (), shown)
        return
    for file in output or ():
        if file.suffix not in (".json", ".md"):
            raise UserError(f'reports are not written as "{file.suffix}"', where=str(file), fix="use .json or .md")
    source = source_of(data, reader, option)
    host = load_host(ctx)
    with stderr_console().status("Loading") as status:
        from lect.components.open import open_stack
        from lect.data.read import read_source
        from lect.evaluation.evaluate import evaluate_answers, evaluate_retrieval

        examples = read_source(host, source, Path(), "--data").examples
        library = library_of(components)
        stack = with_auto(stack, language, nearest, library)
        opened = open_stack(stack, host, library, backbone, lambda what, share: status.update(f"{what} {share:.0%}"))
        for notice in opened.notices:
            note(notice)
        status.update("Evaluating")
        head = next((stored.manifest.head for stored in opened.stored if stored.manifest.head), None)
        if head is not None:
            report = evaluate_answers(opened, host, head.kind, examples, str(source))
        else:
            report = evaluate_retrieval(opened, host, examples, str(source))
    for file in output or ():
        from lect.files import write_aside

        write_aside(file, report.to_json() if file.suffix == ".json" else report.to_markdown())
    if as_json:
        typer.echo(report.to_json())
    elif markdown:
        typer.echo(report.to_markdown())
    else:
        stdout_console().print(report)

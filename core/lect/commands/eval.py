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
    output: Annotated[Path | None, typer.Option("--output", help="Write the report there too: .json or .md.")] = None,
) -> None:
    """Score a stack, with and without each of its components.

    A stack with a head is scored by its answers to labelled rows; one without by how often a text's vector finds its
    translation.
    """
    from lect.errors import UserError

    if output is not None and output.suffix not in (".json", ".md"):
        raise UserError(f'reports are not written as "{output.suffix}"', where=str(output), fix="use .json or .md")
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
    if output is not None:
        from lect.files import write_aside

        write_aside(output, report.to_json() if output.suffix == ".json" else report.to_markdown())
    if as_json:
        typer.echo(report.to_json())
    elif markdown:
        typer.echo(report.to_markdown())
    else:
        stdout_console().print(report)

"""`lect explain`: which words an answer hangs on, and what each part of the stack changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lect.commands.app import load_host
from lect.commands.console import echo_json, stdout_console
from lect.commands.options import (
    BackboneOption,
    ComponentsOption,
    JsonOption,
    LocaleOption,
    StackOption,
    library_of,
)

app = typer.Typer(add_completion=False)


@app.command()
def explain(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="The text.")],
    stack: StackOption = "",
    target: Annotated[str | None, typer.Option("--target", help="The label to explain; the answer by default.")] = None,
    against: Annotated[
        str | None, typer.Option("--against", help="For a stack without a head: the text to compare with.")
    ] = None,
    attention: Annotated[bool, typer.Option("--attention", help="Attention maps and rollout, too.")] = False,
    steps: Annotated[int, typer.Option("--steps", min=2, help="Steps of the integral; more are more exact.")] = 64,
    backbone: BackboneOption = None,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
    output: Annotated[
        list[Path] | None, typer.Option("--output", help="Write it there too: .json or .html. Repeatable.")
    ] = None,
    locale: LocaleOption = None,
) -> None:
    """Show which words an answer hangs on, with the whole stack and without each of its parts."""
    from lect.errors import StackError, UserError
    from lect.locales import find_locale

    reader = find_locale(locale)
    if not stack and against is None:
        raise StackError("no stack is given", fix='name one with --stack, such as "lang:jav + task:sentiment"')
    for path in output or ():
        if path.suffix not in (".json", ".html"):
            raise UserError(
                f'explanations are not written as "{path.suffix}"', where=str(path), fix="use .json or .html"
            )
    host = load_host(ctx)
    from lect.engine.open import open_stack
    from lect.explain.explain import explain as explained

    opened = open_stack(stack, host, library_of(components), backbone)
    found = explained(opened, text, target=target, against=against, attention=attention, steps=steps)
    for path in output or ():
        from lect.files import write_aside

        write_aside(path, found.to_json() if path.suffix == ".json" else found.to_html(reader.tag))
    if as_json:
        echo_json(found.to_json())
    else:
        stdout_console().print(found)

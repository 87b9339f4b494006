"""`lect merge`: a stack folded into a copy of its backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lect.commands.app import load_host
from lect.commands.console import echo, print_json, shown_in, stderr_console, warn
from lect.commands.options import BackboneOption, ComponentsOption, JsonOption, library_of

app = typer.Typer(add_completion=False)


@app.command()
def merge(
    ctx: typer.Context,
    stack: Annotated[str, typer.Argument(help='The stack, such as "lang:nqo + task:topic".')],
    folder: Annotated[Path, typer.Argument(help="The folder to write, for transformers to load.")],
    backbone: BackboneOption = None,
    components: ComponentsOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a merged model that lies there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fold a stack into a copy of its backbone. What cannot be folded (a bottleneck, say) is refused by name."""
    host = load_host(ctx)
    with stderr_console().status("Loading") as status:
        from lect.engine.merge import HEADS, merge_stack

        done = merge_stack(
            stack,
            folder,
            host,
            library_of(components),
            backbone=backbone,
            overwrite=overwrite,
            progress=shown_in(status),
        )
    heads = folder / HEADS
    if as_json:
        print_json(
            {
                "folder": str(done.folder),
                "stack": done.stack,
                "fingerprint": done.fingerprint,
                "modules": done.modules,
                "new_pieces": done.tokens,
                "largest_difference": done.difference,
                "head": done.head.key if done.head else None,
                "head_components": str(heads) if done.head else None,
            }
        )
        return
    tokens = f", {done.tokens:,} new tokens" if done.tokens else ""
    echo(f"{done.stack}  {done.folder}")
    echo(f"{done.modules} modules changed{tokens}; at most {done.difference:.1g} off the stack")
    if done.head is not None:
        warn(
            f"the head is not in the model, but beside it: "
            f'lect predict --components {heads} --stack "{done.head.key}" "a text"'
        )

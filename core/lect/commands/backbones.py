"""`lect backbones`: which there are, and what one is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lect.commands.app import load_host
from lect.commands.console import print_json, print_table, stderr_console
from lect.commands.options import JsonOption

app = typer.Typer(add_completion=False, invoke_without_command=True)


@app.callback()
def list_backbones(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the backbones known by a short name. Any Hugging Face encoder works too, by hub id or folder."""
    if ctx.invoked_subcommand is not None:
        return
    host = load_host(ctx)
    found = [(provided.spec, provided.plugin) for provided in host.specs("backbone").values()]
    if as_json:
        print_json(
            [
                {
                    "name": spec.name,
                    "summary": spec.summary,
                    "identity": spec.identity,
                    "licence": spec.licence,
                    "pooling": spec.pooling,
                    "prefix": spec.prefix,
                    "plugin": plugin.name,
                }
                for spec, plugin in found
            ]
        )
        return
    print_table(
        ["name", "what it is", "licence", "plugin"],
        [[spec.name, spec.summary, spec.licence, plugin.name] for spec, plugin in found],
        narrow=["name", "licence", "plugin"],
    )
    typer.echo("Models of the Hugging Face hub work too, by their ids: encoders, decoders and the encoders of")
    typer.echo("encoder-decoders. So does a folder that holds one.")


@app.command("show")
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A backbone's name, hub id or folder.")],
    as_json: JsonOption = False,
) -> None:
    """Load a backbone (converting it where that is needed) and say what it is."""
    host = load_host(ctx)
    with stderr_console().status("Loading") as status:
        from lect.backbones import load_backbone

        backbone = load_backbone(name, host=host, progress=lambda what, share: status.update(f"{what} {share:.0%}"))
        table = backbone.module(backbone.anatomy.word_embedding)
        facts: dict[str, Any] = {
            "name": backbone.name,
            "identity": backbone.identity,
            "revision": backbone.revision,
            "licence": backbone.licence,
            "fingerprint": backbone.fingerprint,
            "family": backbone.model.config.model_type,
            "kind": backbone.kind,
            "layers": len(backbone.anatomy.layers),
            "hidden_size": backbone.hidden_size,
            "parameters": sum(parameter.numel() for parameter in backbone.model.parameters()),
            "embedding_parameters": sum(value.numel() for value in table.parameters()),
            "pieces": len(backbone.tokenizer),
            "max_length": backbone.max_length,
            "pooling": backbone.pooling,
            "prefix": backbone.prefix,
        }
    if as_json:
        print_json(facts)
        return
    shown = {
        key.replace("_", " "): f"{value:,}" if isinstance(value, int) else str(value) for key, value in facts.items()
    }
    print_table(["", backbone.name], list(shown.items()))

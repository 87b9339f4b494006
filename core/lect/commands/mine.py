"""`lect mine`: translations, found between two piles of texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lect.commands.app import load_host
from lect.commands.console import echo, echo_json, print_table, stderr_console
from lect.commands.options import (
    BackboneOption,
    ComponentsOption,
    FieldOption,
    JsonOption,
    ReaderOption,
    StackOption,
    library_of,
    source_of,
)

app = typer.Typer(add_completion=False)


@app.command()
def mine(
    ctx: typer.Context,
    first: Annotated[str, typer.Argument(help="A file of texts.")],
    second: Annotated[str, typer.Argument(help="A file of texts in another language.")],
    stack: StackOption = "",
    second_stack: Annotated[str, typer.Option("--second-stack", help="The second file's stack.")] = "",
    reader: ReaderOption = None,
    option: FieldOption = None,
    second_option: Annotated[
        list[str] | None, typer.Option("--second-option", help="A setting of the second file's reader instead.")
    ] = None,
    neighbours: Annotated[int, typer.Option("--neighbours", "-k", min=1, help="Neighbours of the margin.")] = 4,
    threshold: Annotated[float, typer.Option("--threshold", help="The least margin.")] = 1.06,
    backbone: BackboneOption = None,
    components: ComponentsOption = None,
    output: Annotated[Path | None, typer.Option("--output", help="Write all pairs there, as JSON lines.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find pairs of translations by the margin of their cosine over that of neighbours."""
    host = load_host(ctx)
    sources = [source_of(host, first, reader, option), source_of(host, second, reader, second_option or option)]
    with stderr_console().status("Loading") as status:
        from lect.engine.open import check_heads, open_stack
        from lect.host.reading import read_source
        from lect.retrieval.mining import mine as mined

        files = [read_source(host, source, Path(), str(source)).examples for source in sources]
        vectors, heads = [], []
        for text, examples in zip((stack, second_stack), files, strict=True):
            status.update(f"Encoding {len(examples):,} texts")
            opened = open_stack(text, host, library_of(components), backbone)
            texts = [example.text for example in examples]
            heads.append(opened.vectors_by)
            vectors.append(opened.embed(texts))
        check_heads(heads[0], heads[1], second)
        status.update("Comparing")
        pairs = mined(vectors[0], vectors[1], neighbours=neighbours, threshold=threshold)
    records = [
        {
            "margin": round(pair.margin, 4),
            "cosine": round(pair.cosine, 4),
            "text": files[0][pair.source].text,
            "translation": files[1][pair.target].text,
            "text_origin": files[0][pair.source].origin,
            "translation_origin": files[1][pair.target].origin,
        }
        for pair in pairs
    ]
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    if output is not None:
        from lect.files import write_aside

        write_aside(output, "".join(f"{line}\n" for line in lines))
    if as_json:
        for line in lines:
            echo_json(line)
        return
    shown = [[f"{r['margin']:.3f}", str(r["text"]), str(r["translation"])] for r in records[:20]]
    print_table(["margin", "text", "translation"], shown, right=["margin"], narrow=["margin"])
    counts = f"{len(files[0]):,} and {len(files[1]):,} texts"
    echo(f"{len(records):,} pairs of {counts}, margin at least {threshold:g}")

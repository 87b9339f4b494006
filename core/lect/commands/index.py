"""`lect index`: a corpus that is searched by what its texts mean, in any language."""

from __future__ import annotations

import json
from dataclasses import asdict
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

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Build and search an index of a corpus.")


@app.command()
def build(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where the index goes.")],
    data: Annotated[str | None, typer.Option("--data", "-d", help="The corpus: a file of texts.")] = None,
    stack: StackOption = "",
    reader: ReaderOption = None,
    option: FieldOption = None,
    backbone: BackboneOption = None,
    components: ComponentsOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an index that is there.")] = False,
) -> None:
    """Encode a corpus with a stack of language parts, and save its index."""
    host = load_host(ctx)
    source = source_of(host, data, reader, option)
    with stderr_console().status("Loading") as status:
        from lect.engine.open import open_stack
        from lect.host.reading import read_source
        from lect.retrieval.index import build_index

        examples = read_source(host, source, Path(), "--data").examples
        opened = open_stack(stack, host, library_of(components), backbone)
        status.update("Encoding")
        index = build_index(opened, examples, folder, overwrite=overwrite)
    echo(f"{folder}: {index.facts.rows:,} texts, {index.facts.backbone}, {index.facts.stack or 'bare backbone'}")


@app.command()
def search(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The index.")],
    queries: Annotated[list[str], typer.Argument(help="What to look for.")],
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="The queries' stack; the corpus's own by default.")
    ] = None,
    count: Annotated[int, typer.Option("--count", "-k", min=1, help="How many texts to show.")] = 5,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the texts nearest to each query, which may be in another language than the corpus."""
    from lect.errors import UserError
    from lect.retrieval.index import check_queries, read_index

    for place, query in enumerate(queries, 1):
        if not query.strip():
            raise UserError("the query is empty", where=f"query {place}")
    index = read_index(folder)
    host = load_host(ctx)
    from lect.engine.open import open_stack

    asked = index.facts.stack if stack is None else stack
    opened = open_stack(asked, host, library_of(components), index.facts.backbone)
    check_queries(index, opened, folder)
    hits = index.search(opened.embed(queries), count)
    if as_json:
        for query, found in zip(queries, hits, strict=True):
            echo_json(json.dumps({"query": query, "hits": [asdict(hit) for hit in found]}, ensure_ascii=False))
        return
    for query, found in zip(queries, hits, strict=True):
        rows = [[str(hit.rank), f"{hit.score:.3f}", hit.text, hit.key or hit.origin] for hit in found]
        print_table(["", "cosine", "text", "where"], rows, title=query, right=["", "cosine"], narrow=["", "cosine"])

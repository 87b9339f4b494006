"""`lect predict`: a stack's answers for texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lect.commands.app import load_host
from lect.commands.console import print_table, warn
from lect.commands.options import (
    BackboneOption,
    ComponentsOption,
    FieldOption,
    ReaderOption,
    StackOption,
    library_of,
    source_of,
)
from lect.errors import StackError, UserError

app = typer.Typer(add_completion=False)


@app.command()
def predict(
    ctx: typer.Context,
    texts: Annotated[list[str] | None, typer.Argument(help="The texts.")] = None,
    stack: StackOption = "",
    data: Annotated[str | None, typer.Option("--data", "-d", help="A file of texts instead.")] = None,
    reader: ReaderOption = None,
    option: FieldOption = None,
    backbone: BackboneOption = None,
    components: ComponentsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a text.")] = False,
) -> None:
    """Answer for texts with a stack that ends in a task."""
    if not stack:
        raise StackError("no stack is given", fix='name one with --stack, such as "lang:jav + task:sentiment"')
    if texts and (data or reader):
        raise UserError("texts and --data are given both", fix="give one of them")
    host = load_host(ctx)
    from lect.components.open import open_stack
    from lect.data.examples import Example
    from lect.data.read import read_source

    if texts:
        for index, text in enumerate(texts, 1):
            if not text.strip():
                raise UserError("the text is empty", where=f"text {index}")
        examples = tuple(Example(text, origin=f"text {index}") for index, text in enumerate(texts, 1))
    else:
        examples = tuple(read_source(host, source_of(data, reader, option), Path(), "--data").examples)
    opened = open_stack(stack, host, library_of(components), backbone)
    if opened.head is None:
        raise StackError(
            "this stack has no head, so it answers nothing", where=f'stack "{stack}"', fix="end it with a task:…"
        )
    from lect.builtins.supervised import predict_rows
    from lect.training.run import describe_truncated

    predictions = predict_rows(opened.model, opened.encoder, opened.keys, examples)
    if cut := describe_truncated(opened.truncated(examples), len(examples), opened.encoder.max_length):
        warn(cut)
    if as_json:
        for example, answer in zip(examples, predictions, strict=True):
            record = {"text": example.text, "answer": answer.answer, "score": round(answer.score, 6)}
            scores = {label: round(score, 6) for label, score in answer.scores.items()}
            typer.echo(json.dumps({**record, "scores": scores}, ensure_ascii=False))
        return
    rows = [[_short(e.text), p.answer, f"{p.score:.2f}"] for e, p in zip(examples, predictions, strict=True)]
    print_table(["text", "answer", "score"], rows, right=["score"], narrow=["answer", "score"])


def _short(text: str, length: int = 200) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"

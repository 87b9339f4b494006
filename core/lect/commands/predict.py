"""`lect predict`: a stack's answers for texts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lect.commands.app import load_host, settings_in
from lect.commands.console import echo, echo_json, note, print_table, warn
from lect.commands.options import (
    BackboneOption,
    ComponentsOption,
    FieldOption,
    LanguageOption,
    NearestOption,
    ReaderOption,
    StackOption,
    is_file_name,
    library_of,
    source_of,
    with_auto,
)
from lect.errors import StackError, UserError

if TYPE_CHECKING:
    from lect.data.examples import Example
    from lect.heads import Prediction

app = typer.Typer(add_completion=False)
_LONGEST_LABEL = 30
_OF_LINES = ("text", "parallel")
"""Readers whose rows are a line each, with or without empty ones between them."""


@app.command()
def predict(
    ctx: typer.Context,
    texts: Annotated[list[str] | None, typer.Argument(help="The texts.")] = None,
    stack: StackOption = "",
    data: Annotated[str | None, typer.Option("--data", "-d", help="A file of texts instead.")] = None,
    reader: ReaderOption = None,
    option: FieldOption = None,
    backbone: BackboneOption = None,
    language: LanguageOption = None,
    nearest: NearestOption = 1,
    components: ComponentsOption = None,
    pair: Annotated[str | None, typer.Option("--pair", help="A second text for each text.")] = None,
    question: Annotated[
        str | None, typer.Option("--question", "-q", help="What is asked of each text; cause or effect of choices.")
    ] = None,
    choice: Annotated[list[str] | None, typer.Option("--choice", help="What to choose from. Repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a text.")] = False,
) -> None:
    """Answer for texts with a stack that ends in a task."""
    if not stack:
        raise StackError("no stack is given", fix='name one with --stack, such as "lang:jav + task:sentiment"')
    if texts and (data or reader):
        raise UserError("texts and --data are given both", fix="give one of them")
    if not texts and (pair or question or choice):
        raise UserError("--pair, --question and --choice go with texts", fix="take them out, or give a text")
    host = load_host(ctx)
    if settings_in(ctx).owns_process:
        from lect.backbones.light import import_transformers_to_read

        import_transformers_to_read()
    from lect.data.examples import Example
    from lect.engine.open import open_stack
    from lect.host.reading import read_source

    reader_of_data = ""
    if texts:
        for index, text in enumerate(texts, 1):
            if not text.strip():
                raise UserError("the text is empty", where=f"text {index}")
            if is_file_name(text):
                note(f'"{text}" is taken as a text; to read the file of that name: --data {text}')
        examples = tuple(
            Example(
                text,
                text_pair=pair,
                question=question,
                choices=tuple(choice) if choice else None,
                origin=f"text {index}",
            )
            for index, text in enumerate(texts, 1)
        )
    else:
        source = source_of(host, data, reader, option)
        reader_of_data = source.reader
        examples = tuple(read_source(host, source, Path(), "--data").examples)
    library = library_of(components)
    opened = open_stack(with_auto(stack, language, nearest, library), host, library, backbone)
    for notice in opened.notices:
        note(notice)
    from lect.api.results import record_of_prediction
    from lect.heads import GenerationHead

    predictions = opened.predict(examples)
    if cut := opened.truncation(examples):
        warn(cut)
    if as_json:
        for example, answer in zip(examples, predictions, strict=True):
            place = {"origin": example.origin} if reader_of_data else {}
            echo_json(json.dumps({**place, **record_of_prediction(example, answer)}, ensure_ascii=False))
        return
    if isinstance(opened.head, GenerationHead):
        # Nothing beside the texts, so that they can go into a file, line by line.
        for empty, answer in zip(_empty_before(examples, reader_of_data), predictions, strict=True):
            echo("\n" * empty + " ".join(str(answer).split()))
        return
    keyed = any(example.key is not None for example in examples)
    rows = [
        [*([example.key or ""] if keyed else []), _short(_given(example)), _short(str(answer)), _score(answer)]
        for example, answer in zip(examples, predictions, strict=True)
    ]
    # A label is never folded; what may be as long as the text is.
    narrow = ["score"] if any(len(row[-2]) > _LONGEST_LABEL for row in rows) else ["answer", "score"]
    columns = [*(["key"] if keyed else []), "text", "answer", "score"]
    print_table(columns, rows, right=["score"], narrow=narrow)


def _empty_before(examples: Sequence[Example], reader: str) -> Iterator[int]:
    """How many empty lines stand before each row of one file of text, so that answers keep the lines of their rows."""
    line, file = 0, examples[0].origin.rpartition(", line ")[0] if examples else ""
    aligned = reader in _OF_LINES and all(example.origin.rpartition(", line ")[0] == file for example in examples)
    for example in examples:
        own = int(example.origin.rpartition(", line ")[2]) if aligned else line + 1
        yield own - line - 1
        line = own


def _given(example: Example) -> str:
    return f"{example.question} | {example.text}" if example.question else example.text


def _score(prediction: Prediction) -> str:
    return "" if prediction.score is None else f"{prediction.score:.2f}"


def _short(text: str, length: int = 200) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"

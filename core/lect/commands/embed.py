"""`lect embed`: the sentence vectors of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lect.commands.console import write_out
from lect.commands.options import (
    BackboneOption,
    ComponentsOption,
    ExactOption,
    FieldOption,
    GraphsOption,
    LanguageOption,
    NearestOption,
    PrecisionOption,
    ReaderOption,
    StackOption,
    library_of,
)
from lect.commands.streaming import (
    BatchTokensOption,
    DataOption,
    DeviceOption,
    OnOption,
    OnSettingsOption,
    OutputOption,
    ResumeOption,
    StackForOption,
    import_to_read,
    stream,
)
from lect.errors import UserError
from lect.literals import EmbeddingFormat
from lect.visible import visible_json

if TYPE_CHECKING:
    from lect.streams.worker import Answered

app = typer.Typer(add_completion=False)


@app.command()
def embed(
    ctx: typer.Context,
    texts: Annotated[list[str] | None, typer.Argument(help="The texts.")] = None,
    stack: StackOption = "",
    stack_for: StackForOption = None,
    data: DataOption = None,
    reader: ReaderOption = None,
    option: FieldOption = None,
    backbone: BackboneOption = None,
    language: LanguageOption = None,
    nearest: NearestOption = 1,
    components: ComponentsOption = None,
    normalize: Annotated[bool, typer.Option("--normalize", help="Give each vector the length 1.")] = False,
    form: Annotated[
        EmbeddingFormat | None,
        typer.Option("--format", help="How vectors are written: npy, parquet or jsonl; by --output's ending."),
    ] = None,
    output: OutputOption = None,
    resume: ResumeOption = False,
    batch_tokens: BatchTokensOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = "float32",
    exact: ExactOption = False,
    graphs: GraphsOption = False,
    on: OnOption = "local",
    on_option: OnSettingsOption = None,
) -> None:
    """Give the sentence vectors of texts, in order and while they are read; without a stack the backbone's own.

    An .npy file has a row for each text, of NaN where it is empty; in Parquet and JSON lines such a vector is null.
    """
    if texts and (data or reader):
        raise UserError("texts and --data are given both", fix="give one of them")
    import_to_read(ctx)
    from lect.data.examples import Example
    from lect.streams.formats import format_of, lines_of_json
    from lect.streams.worker import WorkerSettings

    def show(answered: Answered) -> None:
        write_out("".join(f"{visible_json(line)}\n" for line in lines_of_json(answered.answers)))

    stream(
        ctx,
        "embed",
        [Example(text, origin=f"text {index}") for index, text in enumerate(texts or (), 1)],
        data=data,
        reader=reader,
        option=option,
        stack=stack,
        stack_for=stack_for,
        language=language,
        nearest=nearest,
        settings=WorkerSettings(
            "embed",
            stack,
            library_of(components),
            backbone=backbone,
            device=device,
            precision=precision,
            exact=exact,
            graphs=graphs,
            tokens_per_batch=batch_tokens,
            normalize=normalize,
        ),
        form=format_of("embed", form or (None if output else "jsonl"), output),
        output=output,
        resume=resume,
        on=on,
        on_options=on_option,
        print_answers=show,
    )

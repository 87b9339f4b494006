"""`lect predict`: a stack's answers for texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lect.commands.console import note, print_table, write_out
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
    is_file_name,
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
    have_stacks,
    import_to_read,
    stream,
)
from lect.errors import StackError, UserError
from lect.literals import PredictionFormat
from lect.visible import visible, visible_json

if TYPE_CHECKING:
    from lect.data.examples import Example
    from lect.streams.formats import Format
    from lect.streams.worker import Answer, Answered

app = typer.Typer(add_completion=False)
_LONGEST_LABEL = 30


@app.command()
def predict(
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
    pair: Annotated[str | None, typer.Option("--pair", help="A second text for each text.")] = None,
    question: Annotated[
        str | None, typer.Option("--question", "-q", help="What is asked of each text; cause or effect of choices.")
    ] = None,
    choice: Annotated[list[str] | None, typer.Option("--choice", help="What to choose from. Repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a text.")] = False,
    form: Annotated[
        PredictionFormat | None,
        typer.Option("--format", help="How answers are written: jsonl, csv, parquet or text; by --output's ending."),
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
    """Answer for texts with a stack that ends in a task, in order and while they are read.

    Rows of a table may name their own stacks (-o stack=COLUMN) or languages (-o language_column=COLUMN, --stack-for).
    A text that is empty is answered as such.
    """
    if not (stack or stack_for or have_stacks(option)):
        raise StackError("no stack is given", fix='name one with --stack, such as "lang:jav + task:sentiment"')
    if texts and (data or reader):
        raise UserError("texts and --data are given both", fix="give one of them")
    if not texts and (pair or question or choice):
        raise UserError("--pair, --question and --choice go with texts", fix="take them out, or give a text")
    if as_json and form not in (None, "jsonl"):
        raise UserError(f"--json and --format {form} are given both", fix="give one of them")
    import_to_read(ctx)
    from lect.data.examples import Example
    from lect.streams.formats import format_of
    from lect.streams.worker import WorkerSettings

    written = format_of("predict", "jsonl" if as_json else form, output)
    given = [
        Example(
            text,
            text_pair=pair,
            question=question,
            choices=tuple(choice) if choice else None,
            origin=f"text {index}",
        )
        for index, text in enumerate(texts or (), 1)
    ]
    _check(given)
    stream(
        ctx,
        "predict",
        given,
        data=data,
        reader=reader,
        option=option,
        stack=stack,
        stack_for=stack_for,
        language=language,
        nearest=nearest,
        settings=WorkerSettings(
            "predict",
            stack,
            library_of(components),
            backbone=backbone,
            device=device,
            precision=precision,
            exact=exact,
            graphs=graphs,
            tokens_per_batch=batch_tokens,
        ),
        form=written,
        output=output,
        resume=resume,
        on=on,
        on_options=on_option,
        print_answers=_printer(written),
    )


def _check(given: Sequence[Example]) -> None:
    for example in given:
        if not example.text.strip():
            raise UserError("the text is empty", where=example.origin)
        if is_file_name(example.text):
            note(f'"{example.text}" is taken as a text; to read the file of that name: --data {example.text}')


def _printer(form: Format | None) -> Callable[[Answered], None]:
    """Prints answers in a format; by default generated texts as lines, and others as a table."""
    from lect.streams.formats import CsvLines, lines_of_json, lines_of_text

    lines = CsvLines()

    def show(answered: Answered) -> None:
        answers = answered.answers
        if form is not None and form.name == "jsonl":
            write_out("".join(f"{visible_json(line)}\n" for line in lines_of_json(answers)))
        elif form is not None and form.name == "csv":
            write_out(visible(lines([each.record for each in answers])))
        elif answered.generates or form is not None:
            # Nothing beside the texts, so that they can go into a file, line by line.
            write_out(visible("".join(f"{line}\n" for line in lines_of_text(answers))))
        else:
            _print_table(answers)

    return show


def _print_table(answers: Sequence[Answer]) -> None:
    keyed = any("key" in each.record for each in answers)
    rows = [
        [
            *([each.record.get("key", "")] if keyed else []),
            _short(_given(each.record)),
            _short(each.shown),
            "" if each.record["score"] is None else f"{each.record['score']:.2f}",
        ]
        for each in answers
    ]
    # A label is never folded; what may be as long as the text is.
    narrow = ["score"] if any(len(row[-2]) > _LONGEST_LABEL for row in rows) else ["answer", "score"]
    columns = [*(["key"] if keyed else []), "text", "answer", "score"]
    print_table(columns, rows, right=["score"], narrow=narrow)


def _given(record: dict[str, Any]) -> str:
    return f"{record['question']} | {record['text']}" if record.get("question") else record["text"]


def _short(text: str, length: int = 200) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"

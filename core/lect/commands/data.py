"""`lect data`: what there is in a source of examples, and the same source cleaned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lect.commands.app import load_host
from lect.commands.console import note, print_json, print_table, shown_in, stderr_console, stdout_console
from lect.commands.options import FieldOption, JsonOption, ReaderOption, source_of, value_of

if TYPE_CHECKING:
    from lect.data.cleaning import Cleaning
    from lect.data.dataset import Source
    from lect.data.examples import Example
    from lect.data.inspection import Inspection
    from lect.host import Host

app = typer.Typer(add_completion=False)

CleanOption = Annotated[
    list[str] | None, typer.Option("--clean", help="A setting of data.cleaning, such as ratio=3. Repeatable.")
]
_FORMS = (".jsonl", ".txt", ".tsv")


@app.callback()
def data() -> None:
    """See what there is in texts, pairs, tables and dictionaries, and clean it."""


@app.command()
def inspect(
    ctx: typer.Context,
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Files or folders; each is read on its own.")
    ] = None,
    reader: ReaderOption = None,
    option: FieldOption = None,
    backbone: Annotated[
        str | None, typer.Option("--backbone", help="Count tokens with this backbone's tokenizer, such as e5-small.")
    ] = None,
    cleaning: CleanOption = None,
    plots: Annotated[Path | None, typer.Option("--plots", help="Draw plots into this folder.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what there is: rows, lengths, scripts, tokens, examples, and what cleaning would find."""
    named: list[str | None] = [*sources] if sources else [None]
    wanted, host = _cleaning(cleaning), load_host(ctx)
    described = [source_of(host, source, reader, option) for source in named]
    with stderr_console().status("Loading") as status:
        cut, unknown = None, None
        if backbone is not None:
            cut, unknown = _cutter(host, backbone, shown_in(status))
        found = []
        for source in described:
            from lect.data.inspection import inspect_examples

            status.update(f"Reading {source}")
            found.append(inspect_examples(str(source), _stream(host, source), wanted, cut, unknown))
        if plots is not None:
            from lect.data.plots import draw_plots

            status.update("Drawing")
            drawn = draw_plots(found, plots, note)
    if as_json:
        print_json([one.as_dict() for one in found])
        return
    _print(found, backbone)
    if plots is not None:
        print_table(["plot"], [[str(path)] for path in drawn])


@app.command()
def clean(
    ctx: typer.Context,
    source: Annotated[str | None, typer.Argument(help="A file or folder.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Where the rows go that stay: .jsonl, .tsv or (texts only) .txt.")
    ] = None,
    reader: ReaderOption = None,
    option: FieldOption = None,
    cleaning: CleanOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the rows of a source that cleaning keeps, in one form, and say how many it left out and why."""
    from lect.data.cleaning import Counts
    from lect.data.cleaning import clean as kept_of
    from lect.data.written import lines_of
    from lect.errors import UserError
    from lect.files import file_aside
    from lect.specs import ReaderSpec

    if output is None or output.suffix not in _FORMS:
        named = "nothing says where it goes" if output is None else f'nothing is written as "{output.suffix}"'
        raise UserError(named, where="--output", fix=f"name a file that ends in {', '.join(_FORMS)}")
    host, counts = load_host(ctx), Counts()
    described = source_of(host, source, reader, option)
    if "keep" in host.spec(ReaderSpec, described.reader).config.model_fields:
        described = replace(described, config={"keep": True, **described.config})
    with stderr_console().status(f"Cleaning {described}"), file_aside(output) as file:
        rows = kept_of(_stream(host, described), _cleaning(cleaning), counts)
        for line in lines_of(rows, output.suffix, str(output)):
            file.write(line.encode("utf-8", "surrogatepass") + b"\n")
    if as_json:
        print_json({"output": str(output), **counts.as_dict()})
        return
    stdout_console().print(f"{output}: {counts}", markup=False)


def _stream(host: Host, source: Source) -> Iterator[Example]:
    from lect.host.reading import stream_source

    return stream_source(host, source, Path(), "--data")


def _cleaning(fields: list[str] | None) -> Cleaning:
    from lect.data.cleaning import Cleaning
    from lect.validation import validate_model

    return validate_model(Cleaning, {name: value_of(text) for name, text in map(_pair, fields or ())}, "--clean")


def _pair(field: str) -> tuple[str, str]:
    from lect.errors import UserError

    name, equals, value = field.partition("=")
    if not equals:
        raise UserError(f'"{field}" is no KEY=VALUE', where="--clean", fix="write it as ratio=3, say")
    return name.strip(), value


def _cutter(host: Host, name: str, progress: Any) -> tuple[Any, int | None]:
    """What cuts texts into tokens, and the id of the unknown one."""
    from lect.data.inspection import Tokenize
    from lect.host.backbones import load_backbone

    loaded = load_backbone(name, host=host, progress=progress)
    tokenizer = loaded.tokenizer.backend_tokenizer
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def cut(texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    cutter: Tokenize = cut
    return cutter, loaded.tokenizer.unk_token_id


def _print(found: Sequence[Inspection], backbone: str | None) -> None:
    """A table of facts with a column for each source, then the first examples."""
    columns = [dict(_facts(one)) for one in found]
    names = dict.fromkeys(name for column in columns for name in column)
    heads = [one.name for one in found]
    right = heads if len(found) > 1 else []
    print_table(
        ["" if backbone is None else f"tokens of {backbone}", *heads],
        [[name, *(column.get(name, "") for column in columns)] for name in names],
        right=right,
    )
    out = stdout_console()
    for one in found:
        for row in one.shown:
            told = row.text if row.translation is None else f"{row.text} = {row.translation}"
            told = told if row.label is None else f"{told} [{row.label}]"
            out.print(told if len(told) <= 240 else f"{told[:239]}…", markup=False)


def _facts(one: Inspection) -> Iterator[tuple[str, str]]:
    yield "rows", f"{one.rows:,}"
    for name, count in one.filled.items():
        yield f"with {name.replace('_', ' ')}", f"{count:,}"
    if one.labels:
        yield "labels", ", ".join(f"{label} {count:,}" for label, count in one.labels.most_common(8))
    yield "characters", f"{sum(one.lengths):,}"
    yield "bytes", f"{one.bytes:,}"
    yield "words", f"{one.words:,}"
    yield "shortest text", f"{one.length_at(0.0):,}"
    yield "median text", f"{one.length_at(0.5):,}"
    yield "95 % of texts", f"{one.length_at(0.95):,}"
    yield "longest text", f"{one.length_at(1.0):,}"
    yield (
        "scripts",
        ", ".join(f"{script} {share:.1%}" for script, share in one.script_shares()[:4] if share >= 0.0005) or "none",
    )
    if one.tokens is not None:
        yield "pieces", f"{one.tokens.tokens:,}"
        yield "unknown", f"{one.tokens.unknown_share:.1%}"
        yield "tokens per word", f"{one.tokens.tokens_per_word:.2f}"
        yield "bytes per token", f"{one.tokens.bytes_per_token:.2f}"
    if one.dictionary is not None:
        yield "as a dictionary", str(one.dictionary.counts)
    for name, count in one.cleaning.as_dict().items():
        if name != "rows":
            yield "kept by cleaning" if name == "kept" else f"  {name}", f"{count:,}"

"""`lect vocabulary`: how a text is cut into pieces; new ones, learned and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lect.cli import (
    INTERRUPTED,
    FieldOption,
    JsonOption,
    ReaderOption,
    load_host,
    print_json,
    print_table,
    settings_of,
    source_of,
    stderr_console,
    stdout_console,
)

if TYPE_CHECKING:
    from lect import Backbone, InitialiserSpec, TextReport
    from lect_vocabulary.compare import Row

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="How a text is cut into pieces; new ones, learned and compared."
)

TextsArgument = Annotated[
    list[Path], typer.Argument(help="Files in the language: plain text, one text a line, or tables with --option.")
]
BackboneOption = Annotated[str, typer.Option("--backbone", help="A backbone's name, hub id or folder.")]
PiecesOption = Annotated[int, typer.Option("--pieces", min=1, max=200_000, help="The most new pieces.")]
LongestOption = Annotated[int, typer.Option("--longest", min=1, help="The most characters of a piece.")]

_UNIVERSAL_DECLARATION = (
    "All human beings are born free and equal in dignity and rights.",
    "They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood.",
    "Everyone has the right to life, liberty and security of person.",
    "No one shall be subjected to torture or to cruel, inhuman or degrading treatment or punishment.",
    "Everyone has the right to freedom of thought, conscience and religion.",
    "Everyone has the right to education.",
)
"""The yardstick where none is named: English, from the Universal Declaration of Human Rights (1948)."""


@app.command("report")
def report(
    ctx: typer.Context,
    texts: TextsArgument,
    beside: Annotated[
        list[Path] | None,
        typer.Option("--beside", help="Text of a well-covered language; a few English sentences by default."),
    ] = None,
    backbone: BackboneOption = "e5-small",
    pieces: Annotated[
        Path | None, typer.Option("--with", help="New pieces that lect vocabulary build wrote; shown as well.")
    ] = None,
    reader: ReaderOption = None,
    option: FieldOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how a backbone's tokenizer cuts a text, beside a language that it covers well."""
    from lect import report_on
    from lect.vocabulary import texts_of

    host = load_host(ctx)
    lines: list[tuple[Sequence[str], str]] = [texts_of(host, texts, reader, settings_of(option))]
    lines += [texts_of(host, beside) if beside else (_UNIVERSAL_DECLARATION, "English")]
    with stderr_console().status("Loading"):
        loaded = _backbone(host, backbone)
        cutters = {"": loaded.tokenizer.backend_tokenizer}
        if pieces is not None:
            cutters[" + new pieces"] = _extended(loaded, pieces)
        found = [
            report_on(name + said, rows, cutter, loaded.tokenizer.unk_token_id)
            for rows, name in lines
            for said, cutter in cutters.items()
        ]
    if as_json:
        print_json({"backbone": loaded.name, "texts": [one.to_dict() for one in found]})
    else:
        _print_reports(found)


@app.command("build")
def build(
    ctx: typer.Context,
    texts: TextsArgument,
    output: Annotated[Path, typer.Option("--output", help="Where the new pieces are written: a JSON file.")],
    held_out: Annotated[
        list[Path] | None, typer.Option("--held-out", help="Text to measure on that nothing is learned from.")
    ] = None,
    count: PiecesOption = 4000,
    longest: LongestOption = 16,
    backbone: BackboneOption = "e5-small",
    whole: Annotated[
        Path | None, typer.Option("--whole", help="Write the whole new tokenizer there too: a tokenizer.json.")
    ] = None,
    reader: ReaderOption = None,
    option: FieldOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn the pieces of a text that a backbone lacks; a recipe's part vocabulary takes them with file = "…"."""
    from lect.files import write_aside
    from lect.vocabulary import build as learn

    host = load_host(ctx)
    with stderr_console().status("Learning"):
        made = learn(
            texts,
            output,
            held_out=held_out,
            pieces=count,
            longest=longest,
            backbone=backbone,
            reader=reader,
            options=settings_of(option),
            host=host,
        )
    if whole is not None:
        write_aside(whole, made.tokenizer_json)
    if as_json:
        facts = {"backbone": made.backbone, "pieces": len(made.tokens), "seconds": round(made.seconds, 1)}
        print_json({**facts, "file": str(output), "texts": [one.to_dict() for one in (made.before, made.after)]})
        return
    _print_reports([made.before, made.after])
    out = stdout_console()
    out.print(f"{len(made.tokens):,} new pieces in {made.seconds:.0f} s: {output}", soft_wrap=True)


@app.command("compare")
def compare(
    ctx: typer.Context,
    data: Annotated[str, typer.Option("--data", "-d", help="Parallel rows to learn from.")],
    test: Annotated[str, typer.Option("--test", help="Parallel rows to find translations among.")],
    initialisers: Annotated[
        list[str] | None, typer.Option("--initialise", "-i", help="An initialiser to try; all by default. Repeatable.")
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of alignment.")] = 60,
    batch_size: Annotated[int, typer.Option("--batch-size", min=2, help="Rows a step.")] = 32,
    count: PiecesOption = 2000,
    longest: LongestOption = 16,
    most: Annotated[int, typer.Option("--rows", min=2, help="The most rows to learn from.")] = 2000,
    most_tested: Annotated[int, typer.Option("--test-rows", min=2, help="The most rows to be tested on.")] = 500,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the random draws.")] = 0,
    backbone: BackboneOption = "e5-small",
    reader: ReaderOption = None,
    option: FieldOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try initialisers of new pieces: how well translations are found before training, and after some steps.

    The pieces are learned from all rows; their embeddings alone are trained, by alignment.
    """
    from lect_vocabulary.compare import Budget, compare_initialisers, known_initialisers

    host = load_host(ctx)
    known = known_initialisers(host)
    budget = Budget(steps, batch_size, count, longest, most, most_tested, seed)
    sources = [source_of(host, where, reader, option) for where in (data, test)]
    console = stderr_console()
    names = initialisers or sorted(known)
    rows = compare_initialisers(host, backbone, sources[0], sources[1], names, budget, console)
    if as_json:
        print_json([row.to_dict() for row in rows])
    elif rows:
        _print_rows(rows, steps, known)
    if len(rows) < len(names):
        console.print(f"Stopped: {len(rows)} of {len(names)} initialisers were tried.")
        raise typer.Exit(INTERRUPTED)


def _print_rows(rows: Sequence[Row], steps: int, known: Mapping[str, InitialiserSpec]) -> None:
    columns = ["initialiser", "before", f"after {steps} steps", "seconds", "what it is"]
    print_table(
        columns,
        [
            [row.name, f"{row.before:.1%}", f"{row.after:.1%}", f"{row.seconds:.0f}", known[row.name].summary]
            for row in rows
        ],
        title="the right translation found first",
        right=columns[1:4],
        narrow=columns[:4],
    )


def _backbone(host: Any, name: str) -> Backbone:
    from lect import load_backbone

    return load_backbone(name, host=host)


def _extended(backbone: Backbone, file: Path) -> Any:
    from lect_vocabulary.part import read_pieces
    from lect_vocabulary.pieces import BaseTokenizer, splice

    base = BaseTokenizer(backbone.tokenizer.backend_tokenizer.to_str())
    return BaseTokenizer(splice(base, read_pieces(file, base))).tokenizer


def _print_reports(found: Sequence[TextReport]) -> None:
    columns = ["text", "words", "pieces a word", "unknown", "bytes a piece", "single"]
    rows = []
    for one in found:
        rows.append([one.name, *_cells(one.whole)])
        if len(one.scripts) > 1:
            rows += [[f"  {script}", *_cells(cut)] for script, cut in one.scripts.items()]
    print_table(columns, rows, right=columns[1:], narrow=columns[1:])
    stdout_console().print("unknown, single: the share of pieces that stand for nothing known, or for one character")


def _cells(cut: Any) -> list[str]:
    shares = f"{cut.unknown_share:.1%}", f"{cut.bytes_per_piece:.2f}", f"{cut.single_share:.1%}"
    return [f"{cut.words:,}", f"{cut.pieces_per_word:.2f}", *shares]

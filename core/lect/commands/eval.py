"""`lect eval`: a stack's scores, with and without each of its components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lect.commands.app import load_host
from lect.commands.console import echo, echo_json, note, shown_in, stderr_console, stdout_console
from lect.commands.options import (
    BackboneOption,
    ComponentsOption,
    FieldOption,
    JsonOption,
    LanguageOption,
    LocaleOption,
    NearestOption,
    PrecisionOption,
    ReaderOption,
    StackOption,
    library_of,
    source_of,
    with_auto,
)

app = typer.Typer(add_completion=False)


@app.command("eval")
def evaluate(
    ctx: typer.Context,
    matrix: Annotated[Path | None, typer.Argument(help="Languages × stacks instead: a TOML file.")] = None,
    stack: StackOption = "",
    data: Annotated[str | None, typer.Option("--data", "-d", help="A labelled or parallel file.")] = None,
    reader: ReaderOption = None,
    option: FieldOption = None,
    backbone: BackboneOption = None,
    language: LanguageOption = None,
    nearest: NearestOption = 1,
    components: ComponentsOption = None,
    precision: PrecisionOption = "float32",
    as_json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", help="Write the report there too: .json, .md or .html; of a matrix .csv as well."),
    ] = None,
    locale: LocaleOption = None,
    corpus: Annotated[
        str | None, typer.Option("--corpus", help="A file of texts that the rows of --data are queries for.")
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option("--qrels", help="Judgements: query, text and grade, in BEIR's or TREC's columns.")
    ] = None,
    corpus_option: Annotated[
        list[str] | None, typer.Option("--corpus-option", help="A setting of the corpus's reader instead.")
    ] = None,
    corpus_stack: Annotated[
        str | None, typer.Option("--corpus-stack", help="The corpus's stack; the one head alone by default.")
    ] = None,
    cells: Annotated[
        Path | None, typer.Option("--cells", help="Where a matrix keeps what is scored, to go on from there.")
    ] = None,
) -> None:
    """Score a stack, with and without each of its components; or, with a file, languages × stacks.

    A stack with a head is scored by its answers to labelled rows; one without by how often a text's vector finds its
    translation. With --corpus and --qrels it is scored by how well queries find what is relevant.
    """
    from lect.errors import UserError
    from lect.locales import find_locale

    reader_locale = find_locale(locale)
    if matrix is not None:
        from lect.commands.matrix import Shown, evaluate_matrix

        if stack or data or reader or option or backbone or corpus or qrels or precision != "float32":
            raise UserError(
                "a matrix and --stack, --data, --reader, --option, --backbone, --corpus or --precision are given both",
                where=str(matrix),
                fix="say them in the file",
            )
        library = None if components is None else library_of(components)
        shown: Shown = "json" if as_json else "markdown" if markdown else "table"
        evaluate_matrix(matrix, load_host(ctx), library, cells, output or (), shown, reader_locale)
        return
    for file in output or ():
        if file.suffix not in (".json", ".md", ".html"):
            fix = "use .json, .md or .html"
            raise UserError(f'reports are not written as "{file.suffix}"', where=str(file), fix=fix)
    if bool(corpus) is not bool(qrels) or ((corpus_option or corpus_stack is not None) and not corpus):
        raise UserError("--corpus and --qrels go together", fix="give both, or neither of their options")
    host = load_host(ctx)
    source = source_of(host, data, reader, option)
    texts = source_of(host, corpus, None, corpus_option or option) if corpus else None
    with stderr_console().status("Loading") as status:
        from lect.engine.open import open_stack
        from lect.evaluation.evaluate import evaluate_rows
        from lect.host.reading import read_source
        from lect.specs import HeadSpec

        library = library_of(components)
        stack = with_auto(stack, language, nearest, library)
        opened = open_stack(stack, host, library, backbone, shown_in(status))
        opened.engine.precision = precision
        for notice in opened.notices:
            note(notice)
        kind = opened.head_kind
        answers = ("translation",) if kind is None else host.spec(HeadSpec, kind).needs
        # What is asked for by name is enough: a head that gives vectors is judged by translations, too.
        is_said = corpus or {"label", "text_pair", "translation"} & set(source.config)
        dataset = read_source(host, source, Path(), "--data", named=() if is_said else answers)
        examples = dataset.examples
        status.update("Evaluating")
        if texts is None or qrels is None:
            report, _ = evaluate_rows(
                opened, host, examples, str(source), dataset.remarks, statistics=as_json or _has_json(output or ())
            )
        else:
            from lect.data.judgements import read_judgements
            from lect.evaluation.search import evaluate_search

            judgements = read_judgements(qrels, str(qrels))
            rows = read_source(host, texts, Path(), "--corpus").examples
            other = None if corpus_stack is None else open_stack(corpus_stack, host, library, backbone)
            if other is not None:
                other.engine.precision = precision
            report = evaluate_search(opened, host, examples, rows, judgements, str(source), other)
            report = replace(report, remarks=dataset.remarks)
    for file in output or ():
        from lect.files import write_aside

        forms = {".json": report.to_json, ".md": report.to_markdown}
        write_aside(file, report.to_html(reader_locale.tag) if file.suffix == ".html" else forms[file.suffix]())
    if as_json:
        echo_json(report.to_json())
    elif markdown:
        echo(report.to_markdown())
    else:
        stdout_console().print(report)
        if output:
            echo(f"Written: {', '.join(map(str, output))}")


def _has_json(files: Sequence[Path]) -> bool:
    # `lect compare` tests by it whether two systems differ.
    return any(file.suffix == ".json" for file in files)

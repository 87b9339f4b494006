"""`lect new`: a recipe from data, so that nobody has to write one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lect.commands.app import load_host
from lect.commands.asking import ask, person_is_there
from lect.commands.console import stderr_console
from lect.commands.new_output import file_to_write, finish, say_next, show, tokens_of, write
from lect.commands.new_questions import (
    asked_columns,
    asked_language,
    asked_licences,
    asked_name,
    asked_translations,
    known_kind,
    say_found,
)
from lect.commands.options import ComponentsOption, library_of, listed, settings_of
from lect.errors import UserError

app = typer.Typer(add_completion=False, no_args_is_help=True)

LanguageOption = Annotated[
    str | None, typer.Option("--language", "-l", help="The texts' language: jv, jav or Javanese; found if absent.")
]
NameOption = Annotated[str | None, typer.Option("--name", help="The component's name; after the data if absent.")]
BackboneOption = Annotated[str, typer.Option("--backbone", help="A backbone's name, hub id or folder.")]
LicenceOption = Annotated[
    str | None, typer.Option("--licence", help="Of the data, such as CC-BY-4.0; of a LICENSE beside it if absent.")
]
OutputOption = Annotated[Path | None, typer.Option("--output", help="The file to write; after the name if absent.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take what is found.")]
TrainOption = Annotated[bool, typer.Option("--train", help="Train it at once.")]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", help="A setting of the reader instead, such as text=tweet. Repeatable."),
]
ReaderOption = Annotated[str | None, typer.Option("--reader", help="The reader of the data instead.")]
DEFAULT_BACKBONE = "e5-small"


@app.callback()
def new() -> None:
    """Look at data, choose a recipe for it, and write it as a file with every field explained."""


@app.command("language")
def language_command(
    ctx: typer.Context,
    text: Annotated[list[str] | None, typer.Option("--text", help="Raw text: a file or folder. Repeatable.")] = None,
    pairs: Annotated[
        list[str] | None, typer.Option("--pairs", help="Sentences with translations: a file, or two aligned ones.")
    ] = None,
    dictionary: Annotated[list[str] | None, typer.Option("--dictionary", help="Words with translations.")] = None,
    test: Annotated[
        list[str] | None, typer.Option("--test", help="What it will be judged by, and never trained on. Repeatable.")
    ] = None,
    language: LanguageOption = None,
    name: NameOption = None,
    backbone: BackboneOption = DEFAULT_BACKBONE,
    licence: LicenceOption = None,
    output: OutputOption = None,
    force: ForceOption = False,
    yes: YesOption = False,
    train: TrainOption = False,
    components: ComponentsOption = None,
) -> None:
    """Write the recipe that teaches a language, from raw text, translations or a dictionary."""
    from lect.authoring.language import draft_language, look_at_language
    from lect.languages.tags import normalise
    from lect.selection.automatic import identifier_of

    host, asks, notes = load_host(ctx), not yes and person_is_there(), list[str]()
    tag = normalise(language) if language else None
    given = (text or (), pairs or (), dictionary or ())
    with stderr_console().status("Looking at the data"):
        identifier = identifier_of(library_of(components), host)
        found = look_at_language(*given, host, identifier, tag, test or ())
    if asks:
        say_found({**found.texts, **found.pairs, **found.dictionaries})
    tag = asked_language(found.guess, language, notes, asks=asks)
    if tag != found.guess.tag:
        # Which side of pairs is learned hangs on the language.
        found = look_at_language(*given, host, identifier, tag, test or ())
    if asks:
        found = asked_translations(found)
    name = asked_name(name, tag, asks=asks)
    licences = asked_licences(licence, found.names, notes, asks=asks)
    output = file_to_write(output, name, force=force)
    with stderr_console().status("Loading") as status:
        tokens = tokens_of(backbone, host, status)
        status.update("Reading")
        draft = draft_language(
            found,
            host,
            tokens,
            language=tag,
            name=name,
            backbone=backbone,
            licences=licences,
            output=output,
        )
    finish(ctx, draft, notes, host, asks=asks, force=force, train=train, components=components)


@app.command("task")
def task_command(
    ctx: typer.Context,
    data: Annotated[list[str], typer.Option("--data", "-d", help="Labelled rows: a file or folder. Repeatable.")],
    kind: Annotated[
        str | None, typer.Option("--kind", help="classification, tagging, qa, …; by what the rows have if absent.")
    ] = None,
    stack: Annotated[str, typer.Option("--stack", "-s", help="Languages to train it above, such as lang:jav.")] = "",
    reader: ReaderOption = None,
    option: ColumnOption = None,
    test_share: Annotated[
        float, typer.Option("--test-share", min=0, max=0.9, help="Of the rows, what is held out for a report.")
    ] = 0.2,
    language: LanguageOption = None,
    name: NameOption = None,
    backbone: BackboneOption = DEFAULT_BACKBONE,
    licence: LicenceOption = None,
    output: OutputOption = None,
    force: ForceOption = False,
    yes: YesOption = False,
    train: TrainOption = False,
    components: ComponentsOption = None,
) -> None:
    """Write the recipe that teaches a task, from labelled rows."""
    from lect.authoring.task import draft_task, look_at_task
    from lect.languages.tags import normalise
    from lect.selection.automatic import identifier_of

    host, asks, notes = load_host(ctx), not yes and person_is_there(), list[str]()
    with stderr_console().status("Looking at the data"):
        identifier = identifier_of(library_of(components), host)
        found = look_at_task(data, host, identifier, normalise(language) if language else None)
    found = found.with_settings(reader, settings_of(option))
    if asks:
        say_found({name: each for own in found.files.values() for name, each in own.items()})
        found = asked_columns(found, host)
    kind = kind or found.kind or ""
    if not kind:
        where, first = found.first
        columns = ", ".join(first.texts) if len(first.texts) > 1 else "one text a row"
        raise UserError(
            f"no labels are found ({columns})",
            where=where,
            fix="name their column, -o label=COLUMN, or the task: --kind",
        )
    if asks:
        kind = ask("Kind of task", kind, known_kind)
    tag = asked_language(found.guess, language, notes, asks=asks, needed=False)
    name = asked_name(name, found.name, asks=asks)
    licences = asked_licences(licence, found.names, notes, asks=asks)
    output = file_to_write(output, name, force=force)
    with stderr_console().status("Loading") as status:
        tokens = tokens_of(backbone, host, status)
        status.update("Reading")
        draft = draft_task(
            found,
            host,
            tokens,
            kind=kind,
            language=tag or None,
            name=name,
            backbone=backbone,
            licences=licences,
            output=output,
            stack=stack,
            test_share=test_share,
        )
    finish(ctx, draft, notes, host, asks=asks, force=force, train=train, components=components)


@app.command("matrix")
def matrix_command(
    ctx: typer.Context,
    data: Annotated[list[str], typer.Option("--data", "-d", help="Test rows: a file or folder. Repeatable.")],
    stack: Annotated[
        list[str] | None,
        typer.Option("--stack", "-s", help="What is scored, such as task:mood; all that fits if absent. Repeatable."),
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option("--language", "-l", help="Of each file, in their order; found if absent.")
    ] = None,
    licence: LicenceOption = None,
    output: Annotated[Path, typer.Option("--output", help="The file to write.")] = Path("matrix.toml"),
    force: ForceOption = False,
    yes: YesOption = False,
    components: ComponentsOption = None,
) -> None:
    """Write the file that scores stacks in several languages, for lect eval."""
    from lect.authoring.matrix import draft_matrix
    from lect.evaluation.matrix.file import matrix_of
    from lect.selection.automatic import identifier_of

    host, asks, notes = load_host(ctx), not yes and person_is_there(), list[str]()
    output = file_to_write(output, "matrix", force=force)
    licences = asked_licences(licence, data, notes, asks=asks)
    library = library_of(components)
    with stderr_console().status("Reading"):
        draft = draft_matrix(
            data,
            stack or (),
            host,
            library,
            identifier_of(library, host),
            licence=licences.fitting,
            output=output,
            languages=language or (),
        )
    show(draft, notes)
    write(draft, lambda values: matrix_of(values, str(output)), asks=asks, force=force)
    say_next(draft.following)


@app.command("fleet")
def fleet_command(
    ctx: typer.Context,
    text: Annotated[list[str] | None, typer.Option("--text", help="Raw text of a language. Repeatable.")] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(
            "--pairs",
            help="A table with a column a language, a file for each, or texts whose lines translate each other.",
        ),
    ] = None,
    languages: Annotated[
        str | None, typer.Option("--languages", "-l", help="Those to teach, such as ace,jav; all found if absent.")
    ] = None,
    backbone: BackboneOption = DEFAULT_BACKBONE,
    licence: LicenceOption = None,
    output: Annotated[Path, typer.Option("--output", help="The file to write.")] = Path("fleet.toml"),
    force: ForceOption = False,
    yes: YesOption = False,
    components: ComponentsOption = None,
) -> None:
    """Write one recipe for several languages, for lect fleet."""
    from lect.authoring.fleet import draft_fleet, filled, look_at_fleet
    from lect.recipes.recipe import recipe_of
    from lect.selection.automatic import identifier_of
    from lect.toml import parse_toml

    host, asks, notes = load_host(ctx), not yes and person_is_there(), list[str]()
    output = file_to_write(output, "fleet", force=force)
    wanted = listed(languages)
    with stderr_console().status("Looking at the data") as status:
        found = look_at_fleet(text or (), pairs or (), host, identifier_of(library_of(components), host), wanted)
        tokens = tokens_of(backbone, host, status)
    licences = asked_licences(licence, [*(text or ()), *(pairs or ())], notes, asks=asks)
    with stderr_console().status("Reading"):
        draft = draft_fleet(found, host, tokens, backbone=backbone, licence=licences.fitting, output=output)
    show(draft, notes)
    first = parse_toml(filled(draft.text, found), UserError, where=str(output))
    write(draft, lambda _: recipe_of(first, name=str(output), host=host), asks=asks, force=force)
    say_next(draft.following)

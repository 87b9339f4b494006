"""`lect new`: a recipe from data, so that nobody has to write one."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lect.commands.app import load_host
from lect.commands.asking import agree, ask, person_is_there
from lect.commands.console import WIDTH, echo, note, stderr_console
from lect.commands.options import ComponentsOption, library_of, settings_of
from lect.errors import UserError

if TYPE_CHECKING:
    from lect.authoring.draft import Draft
    from lect.authoring.languages import Guess
    from lect.authoring.licence import Licences
    from lect.host import Host
    from lect.host.backbones import BackboneTokens

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
_OTHER = "choose another with --output, or write over it with --force"


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

    host, asks = load_host(ctx), not yes and person_is_there()
    tag = normalise(language) if language else None
    given = (text or (), pairs or (), dictionary or ())
    with stderr_console().status("Looking at the data"):
        identifier = identifier_of(library_of(components), host)
        found = look_at_language(*given, identifier, tag)
    tag = _language(found.guess, language, asks=asks)
    if tag != found.guess.tag:
        # Which side of pairs is learned hangs on the language.
        found = look_at_language(*given, identifier, tag)
    name = _name(name, tag, asks=asks)
    licences = _licences(licence, found.names, asks=asks)
    output = _output(output, name, force=force)
    with stderr_console().status("Loading") as status:
        tokens = _tokens(backbone, host, status)
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
            tests=test or (),
        )
    _finish(ctx, draft, host, asks=asks, force=force, train=train, components=components)


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

    host, asks = load_host(ctx), not yes and person_is_there()
    with stderr_console().status("Looking at the data"):
        identifier = identifier_of(library_of(components), host)
        found = look_at_task(data, identifier, normalise(language) if language else None)
    found = found.with_settings(reader, settings_of(option))
    if asks:
        found = _ask_columns(found)
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
        kind = ask("Kind of task", kind, _known_kind)
    tag = _language(found.guess, language, asks=asks, needed=False)
    name = _name(name, found.name, asks=asks)
    licences = _licences(licence, found.names, asks=asks)
    output = _output(output, name, force=force)
    with stderr_console().status("Loading") as status:
        tokens = _tokens(backbone, host, status)
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
    _finish(ctx, draft, host, asks=asks, force=force, train=train, components=components)


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

    host, asks = load_host(ctx), not yes and person_is_there()
    output = _output(output, "matrix", force=force)
    licences = _licences(licence, data, asks=asks)
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
    _show(draft)
    _write(draft, lambda values: matrix_of(values, str(output)), asks=asks, force=force)
    _say_next(draft.following)


@app.command("fleet")
def fleet_command(
    ctx: typer.Context,
    text: Annotated[list[str] | None, typer.Option("--text", help="Raw text of a language. Repeatable.")] = None,
    pairs: Annotated[
        list[str] | None, typer.Option("--pairs", help="A table with a column a language, or a file for each.")
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

    host, asks = load_host(ctx), not yes and person_is_there()
    output = _output(output, "fleet", force=force)
    wanted = [each.strip() for each in (languages or "").split(",") if each.strip()]
    with stderr_console().status("Looking at the data") as status:
        found = look_at_fleet(text or (), pairs or (), identifier_of(library_of(components), host), wanted)
        tokens = _tokens(backbone, host, status)
    licences = _licences(licence, [*(text or ()), *(pairs or ())], asks=asks)
    with stderr_console().status("Reading"):
        draft = draft_fleet(found, host, tokens, backbone=backbone, licence=licences.fitting, output=output)
    _show(draft)
    first = parse_toml(filled(draft.text, found), UserError, where=str(output))
    _write(draft, lambda _: recipe_of(first, name=str(output), host=host), asks=asks, force=force)
    _say_next(draft.following)


# ---------------------------------------------------------------------------------------------------------- questions


def _language(guess: Guess, given: str | None, *, asks: bool, needed: bool = True) -> str:
    from lect.languages.tags import display_name, normalise

    if given:
        return normalise(given)
    if asks:
        why = f"{display_name(guess.tag)}, {guess.why}" if guess.tag else "nothing says it"
        return ask("Language of the texts", guess.tag or "", normalise if needed else _tag_or_none, why)
    if guess.tag is None:
        if not needed:
            return ""
        raise UserError("nothing says which language this is", fix="name it, such as: --language Javanese, or jv")
    if not guess.is_sure:
        note(f"the language is taken to be {display_name(guess.tag)} ({guess.tag}), {guess.why}; else say --language")
    return guess.tag


def _tag_or_none(text: str) -> str:
    from lect.languages.tags import normalise

    return normalise(text) if text.strip() else ""


def _name(given: str | None, found: str, *, asks: bool) -> str:
    from lect.fields import check_name

    if given is None and asks:
        return ask("Name of the component", found, check_name)
    try:
        return check_name(given or found)
    except ValueError as error:
        raise UserError(f'"{given or found}" {error}', where="--name") from None


def _licences(given: str | None, names: list[str], *, asks: bool) -> Licences:
    """The licences of files: what is said, or what lies beside them, after a question where somebody can be asked."""
    from lect.authoring.licence import licences_of
    from lect.fields import check_licence

    if given is not None:
        try:
            return licences_of(names, check_licence(given))
        except ValueError as error:
            raise UserError(f'"{given}" {error}', where="--licence") from None
    found = licences_of(names)
    if asks:
        why = f"by {', '.join(found.told)}" if found.told else "SPDX, such as CC-BY-4.0; empty if you do not know"
        answer = ask("Licence of the data", found.fitting, check_licence, why)
        return found if answer == found.fitting else licences_of(names, answer)
    if found.told:
        note(f"licence: {found.fitting or 'none fits all of the data'}, by {', '.join(found.told)}; else say --licence")
    return found


def _known_kind(kind: str) -> str:
    from lect.authoring.task import TASKS
    from lect.errors import nearest

    if kind not in TASKS:
        raise UserError(f'there is no task "{kind}"', fix=nearest(kind, TASKS))
    return kind


def _ask_columns(found: Any) -> Any:
    """Ask which column is what, and how the file is saved, where there is a choice."""
    _, first = found.first
    if first.columns is None or first.columns.words:
        return found
    changed: dict[str, Any] = {}
    for question, field in (("Column of the texts", "text"), ("Column of the labels (empty for none)", "label")):
        current = str(first.config.get(field, "text" if field == "text" else ""))
        answer = ask(question, current, lambda name: _column(name, first.columns.names))
        if answer != current:
            changed[field] = answer or None
    for question, field in (("Delimiter", "delimiter"), ("Encoding", "encoding")):
        if field in first.config:
            answer = ask(question, str(first.config[field]).replace("\t", "tab"))
            changed[field] = "\t" if answer == "tab" else answer
    return found.with_settings(None, changed)


def _column(name: str, names: Any) -> str:
    from lect.errors import nearest

    if name and name not in names:
        raise UserError(f'there is no column "{name}"', fix=nearest(name, names))
    return name


# ------------------------------------------------------------------------------------------------------------- output


def _output(given: Path | None, name: str, *, force: bool) -> Path:
    path = given or Path(f"{name}.toml")
    if path.suffix != ".toml":
        raise UserError("a recipe is a TOML file", where=str(path), fix=f"call it {path.name}.toml")
    if path.exists() and not force:
        raise UserError(
            "is there already", where=str(path), fix="choose another with --output, or write over it: --force"
        )
    return path


def _tokens(backbone: str, host: Host, status: Any) -> BackboneTokens | None:
    from lect.host.backbones import read_tokens

    return read_tokens(backbone, host=host, progress=lambda what, share: status.update(f"{what} {share:.0%}"))


def _finish(
    ctx: typer.Context, draft: Draft, host: Host, *, asks: bool, force: bool, train: bool, components: Path | None
) -> None:
    """Show what was found, write the recipe, and say or do what comes next."""
    from lect.recipes.recipe import recipe_of

    _show(draft)
    _write(
        draft, lambda values: recipe_of(values, name=str(draft.path), host=host), asks=asks and not train, force=force
    )
    following = list(draft.following)
    if train or (asks and agree("Train it now?")):
        from lect.commands.train import train as run

        run(ctx, [draft.path], None, resume=False, components=components, as_json=False)
        following = following[1:]
    _say_next(following)


def _show(draft: Draft) -> None:
    """What was found, and why the recipe is as it is."""
    for each in draft.found:
        echo(each.name)
        for line in each.what:
            echo_paragraph(line, indent="  ")
    echo("")
    echo_paragraph(draft.paragraph)
    for note_ in draft.notes:
        echo_paragraph(f"Note: {note_}.")
    echo("")


def _write(draft: Draft, check: Callable[[Mapping[str, Any]], object], *, asks: bool, force: bool) -> None:
    """Write the file and what lies beside it, after a question where somebody can be asked; nothing before.

    Args:
        check: refuses what is no such file as was meant, which would be a fault of ours.
    """
    from lect.files import write_aside
    from lect.toml import parse_toml

    check(parse_toml(draft.text, UserError, where=str(draft.path)))
    for path in draft.beside:
        if path.exists() and not force:
            raise UserError("is there already", where=str(path), fix=_OTHER)
    if asks and not agree(f"Write {draft.path}?"):
        raise typer.Abort
    for path, text in {**draft.beside, draft.path: draft.text}.items():
        write_aside(path, text)
    echo(f"Written: {', '.join(map(str, [draft.path, *draft.beside]))}")


def _say_next(following: Sequence[str]) -> None:
    for number, command in enumerate(following):
        echo_command("Next" if number == 0 else "Then", command)


def echo_paragraph(text: str, indent: str = "") -> None:
    """Print a text in lines that fit 80 columns."""
    lines = textwrap.wrap(
        text, WIDTH, break_long_words=False, break_on_hyphens=False, initial_indent=indent, subsequent_indent=indent
    )
    for line in lines:
        echo(line)


def echo_command(label: str, command: str) -> None:
    """Print a command to be typed, over several lines where it does not fit into one."""
    wrapped = textwrap.wrap(command, WIDTH - 8, break_long_words=False, break_on_hyphens=False, subsequent_indent="  ")
    for number, line in enumerate(wrapped):
        more = " \\" if number < len(wrapped) - 1 else ""
        echo(f"{f'{label}: ' if number == 0 else '      '}{line}{more}")

"""`lect show` and `lect compare`: a run, a component or a report as a page, and two of a kind side by side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lect.commands.app import load_host
from lect.commands.console import echo, print_json, print_table, stdout_console
from lect.commands.options import ComponentsOption, JsonOption, LocaleOption, library_of
from lect.errors import UserError

if TYPE_CHECKING:
    from lect.pages.comparison import Compared
    from lect.pages.things import Thing

show_app = typer.Typer(add_completion=False)
compare_app = typer.Typer(add_completion=False)

_THING = "A run's folder, a component (lang:jav, or its folder), or a report that lect eval wrote as JSON."
OutputOption = Annotated[Path | None, typer.Option("--output", help="The file to write the page to, .html.")]
OpenOption = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]


@show_app.command("show")
def show(
    thing: Annotated[str, typer.Argument(metavar="THING", help=_THING)],
    output: OutputOption = None,
    is_opened: OpenOption = False,
    locale: LocaleOption = None,
    components: ComponentsOption = None,
) -> None:
    """Make a page of a run, a component or a report: one file that needs nothing else.

    It is written beside a report, into a run's folder, and of a component into the folder where you are.
    """
    from lect.locales import find_locale
    from lect.pages.page import page
    from lect.pages.things import find_thing

    reader = find_locale(locale)
    _check_page(output)
    found = find_thing(thing, library_of(components))
    _write(output or _place(found), page(found, reader), is_opened)


@compare_app.command("compare")
def compare(
    ctx: typer.Context,
    first: Annotated[str, typer.Argument(metavar="A", help=_THING)],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one of the same kind.")],
    output: OutputOption = None,
    is_opened: OpenOption = False,
    locale: LocaleOption = None,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Set two runs, components or reports side by side: what differs, and by how much.

    Reports of the same rows are tested as lect eval tests the stacks of a matrix, by the paired bootstrap.
    """
    from lect.locales import find_locale
    from lect.pages.beside import comparison_page
    from lect.pages.comparison import compare_things
    from lect.pages.things import find_thing

    reader = find_locale(locale)
    _check_page(output)
    if is_opened and output is None:
        raise UserError("no page is written that could be opened", where="--open", fix="name its file with --output")
    library = library_of(components)
    one, other = find_thing(first, library), find_thing(second, library)
    compared = compare_things(one, other, load_host(ctx))
    if as_json:
        print_json(compared.values())
    else:
        _print(compared)
    if output is not None:
        _write(output, comparison_page(compared, one, other, reader), is_opened, tell=not as_json)


def _print(compared: Compared) -> None:
    from lect.pages.beside import score_rows, sentences, value_text

    echo(f"A  {compared.first}\nB  {compared.second}")
    if rows := score_rows(compared, labels=False):
        columns = ("score", "A", "B", "B − A", "ahead")
        echo("")
        print_table(columns, rows, right=columns[1:4], narrow=columns[1:])
    for name, fields in compared.groups.items():
        echo("")
        shown = [(each.name, value_text(each.first), value_text(each.second)) for each in fields]
        print_table((name, "A", "B"), shown)
    echo("")
    for sentence in sentences(compared):
        stdout_console().print(sentence)


def _check_page(output: Path | None) -> None:
    if output is not None and output.suffix.lower() not in (".html", ".htm"):
        raise UserError(f'pages are not written as "{output.suffix}"', where=str(output), fix="use .html")


def _place(thing: Thing) -> Path:
    """Where a page is written if nothing is said."""
    from lect.pages.things import Run, ShownReport

    if isinstance(thing, ShownReport):
        return thing.file.with_suffix(".html")
    if isinstance(thing, Run):
        return thing.folder / "page.html"
    return Path(re.sub(r"[^\w.-]", "-", f"{thing.manifest.key}-{thing.manifest.version}") + ".html")


def _write(path: Path, text: str, is_opened: bool, *, tell: bool = True) -> None:
    from lect.files import write_aside

    write_aside(path, text)
    if tell:
        echo(str(path))
    if is_opened:
        typer.launch(path.resolve().as_uri())

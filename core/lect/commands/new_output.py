"""What `lect new` shows and writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lect.commands.asking import agree
from lect.commands.console import WIDTH, echo, echo_paragraph, shown_in
from lect.errors import UserError

if TYPE_CHECKING:
    from lect.authoring.draft import Draft
    from lect.host import Host
    from lect.host.backbones import BackboneTokens

_OTHER = "choose another with --output, or write over it with --force"


def file_to_write(given: Path | None, name: str, *, force: bool) -> Path:
    """The file that is asked for, or one called after a component. Raises `UserError` where one is there already."""
    path = given or Path(f"{name}.toml")
    if path.suffix != ".toml":
        raise UserError("a recipe is a TOML file", where=str(path), fix=f"call it {path.name}.toml")
    if path.exists() and not force:
        raise UserError("is there already", where=str(path), fix=_OTHER)
    return path


def tokens_of(backbone: str, host: Host, status: Any) -> BackboneTokens | None:
    """The backbone's tokenizer, where it is on this machine."""
    from lect.host.backbones import read_tokens

    return read_tokens(backbone, host=host, progress=shown_in(status))


def finish(
    ctx: typer.Context,
    draft: Draft,
    notes: Sequence[str],
    host: Host,
    *,
    asks: bool,
    force: bool,
    train: bool,
    components: Path | None,
) -> None:
    """Show what was found, write the recipe, and say or do what comes next."""
    from lect.recipes.recipe import recipe_of

    show(draft, notes)
    write(
        draft, lambda values: recipe_of(values, name=str(draft.path), host=host), asks=asks and not train, force=force
    )
    following = list(draft.following)
    if train or (asks and agree("Train it now?")):
        from lect.commands.train import train as run

        run(ctx, [draft.path], None, resume=False, components=components, as_json=False)
        following = following[1:]
    say_next(following)


def show(draft: Draft, notes: Sequence[str]) -> None:
    """What was found, and why the recipe is as it is."""
    for each in draft.found:
        echo(each.name)
        for line in each.what:
            echo_paragraph(line, indent="  ")
    echo("")
    echo_paragraph(draft.paragraph)
    for each_note in (*notes, *draft.notes):
        echo_paragraph(f"Note: {each_note}.")
    echo("")


def write(draft: Draft, check: Callable[[Mapping[str, Any]], object], *, asks: bool, force: bool) -> None:
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


def say_next(following: Sequence[str]) -> None:
    """Print the next commands."""
    for number, command in enumerate(following):
        echo_command("Next" if number == 0 else "Then", command)


def echo_command(label: str, command: str) -> None:
    """Print a command to be typed, over several lines where it does not fit into one."""
    # A line ends in front of an option, and never within quotation marks.
    first, *pieces = [command] if "'" in command else re.split(r" (?=-)", command)
    lines = [first]
    for piece in pieces:
        if len(lines[-1]) + len(piece) + 1 <= WIDTH - 8:
            lines[-1] += f" {piece}"
        else:
            lines.append(f"  {piece}")
    for number, line in enumerate(lines):
        more = " \\" if number < len(lines) - 1 else ""
        echo(f"{f'{label}: ' if number == 0 else '      '}{line}{more}")

"""Options that several commands share, and what they open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lect.commands.console import note
from lect.errors import UserError
from lect.literals import RequestedPrecision

if TYPE_CHECKING:
    from lect.data.dataset import Source
    from lect.host import Host

StackOption = Annotated[
    str, typer.Option("--stack", "-s", help='Components to compose, such as "lang:jav + task:sentiment".')
]
BackboneOption = Annotated[
    str | None, typer.Option("--backbone", help="A backbone's name, hub id or folder; the components' own by default.")
]
ComponentsOption = Annotated[
    Path | None, typer.Option("--components", help="Folder of components; ./components and the user's by default.")
]
ReaderOption = Annotated[
    str | None, typer.Option("--reader", help="Reader of the data; by the file's ending if absent.")
]
FieldOption = Annotated[
    list[str] | None, typer.Option("--option", "-o", help="A setting of the reader, such as text=tweet. Repeatable.")
]
LanguageOption = Annotated[
    str | None,
    typer.Option("--language", help="The texts' language, for lang:auto in the stack; by default each text's own."),
]
NearestOption = Annotated[
    int, typer.Option("--nearest", min=1, help="How many components lang:auto takes, in equal shares.")
]
PrecisionOption = Annotated[
    RequestedPrecision,
    typer.Option("--precision", help="What is computed in: auto is the fastest that this processor is made for."),
]
ExactOption = Annotated[
    bool,
    typer.Option("--exact", help="Give a text the same bytes whatever other texts there are, for some more time."),
]
GraphsOption = Annotated[
    bool,
    typer.Option("--graphs", help="Record the layers as CUDA graphs, for small batches on a GPU."),
]
LocaleOption = Annotated[
    str | None,
    typer.Option(
        "--locale", help="The language of the page: en, fr, id or sw; by default your environment's, or English."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def source_of(host: Host, data: str | list[str] | None, reader: str | None, fields: list[str] | None) -> Source:
    """The source that `--data`, `--reader` and `--option` describe together.

    Raises:
        UserError: an option is no KEY=VALUE, or nothing says how the data is read.
    """
    from lect.host.reading import source_of as described

    return described(host, data, reader, settings_of(fields))


def is_file_name(text: str) -> bool:
    """Whether a text that was given is the name of a file, which its author may have meant to be read."""
    try:
        return " " not in text and "." in text and Path(text).is_file()
    except (OSError, ValueError):
        return False


def with_auto(stack: str, language: str | None, nearest: int, library: Any) -> str:
    """The stack with the components nearest to a language in the place of ``lang:auto``; says which they are."""
    from lect.selection.donors import resolve_auto

    resolved, taken = resolve_auto(stack, language, library, nearest)
    for each in taken:
        columns = ", ".join(f"{name} {value:.2f}" for name, value in each.likeness.items())
        note(f"lang:auto took {each.key} for {language}: score {each.score:.2f} ({columns})")
    return resolved


def settings_of(fields: list[str] | None) -> dict[str, Any]:
    """The settings that ``--option KEY=VALUE`` gives. Raises `UserError` for what is no KEY=VALUE."""
    settings: dict[str, Any] = {}
    for field in fields or []:
        name, equals, value = field.partition("=")
        if not equals:
            raise UserError(f'"{field}" is no KEY=VALUE', where="--option", fix="write it as text=tweet, say")
        settings[name.strip()] = value_of(value)
    return settings


def value_of(text: str) -> Any:
    """A TOML value where the text is one (3, true, ["a", "b"]), else the text itself."""
    from lect.toml import parse_toml

    try:
        return parse_toml(f"value = {text}", UserError, where="--option")["value"]
    except UserError:
        return text


def library_of(folder: Path | None) -> Any:
    """The library that `--components` names, or the default one."""
    from lect.api.components import library_of as library

    return library(folder)


def listed(text: str | None) -> tuple[str, ...]:
    """What an option such as ``--languages ace,jav`` names; nothing where it is absent."""
    return tuple(each.strip() for each in (text or "").split(",") if each.strip())

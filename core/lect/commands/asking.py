"""Questions to whoever sits at the terminal, each with what was found as the answer to begin with."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from lect.commands.console import complain
from lect.errors import UserError


def person_is_there() -> bool:
    """Whether somebody sits at a terminal who can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask(question: str, found: str, check: Callable[[str], str] = str.strip, why: str = "") -> str:
    """The answer to a question, asked again until it is one that can be.

    Args:
        found: what is taken where only Enter is pressed; "" where nothing was found, and nothing need be.
        check: the answer in its canonical form; raises `UserError` or `ValueError` for one that cannot be.
        why: where `found` is from.

    Raises:
        typer.Abort: Ctrl-C, or the end of input.
    """
    asked = f"{question} ({why})" if why else question
    while True:
        answer = typer.prompt(asked, default=found, show_default=bool(found))
        try:
            return check(str(answer))
        except (UserError, ValueError) as error:
            complain(str(error))


def agree(question: str, *, default: bool = True) -> bool:
    """Whether the person says yes. Raises `typer.Abort` on Ctrl-C."""
    return bool(typer.confirm(question, default=default))

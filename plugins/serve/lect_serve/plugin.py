"""Registers the command `serve`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lect import CommandSpec, hookimpl


def _command() -> Any:
    from lect_serve.command import app

    return app


@hookimpl
def lect_register_commands() -> Iterable[CommandSpec]:
    """The server."""
    return (CommandSpec("serve", "Answer over HTTP with any stack of one frozen model.", _command),)

"""The command that writes a recipe for data that was given without one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lect.authoring.source import detect
from lect.errors import DataError

if TYPE_CHECKING:
    from lect.host import Host

_ANY = "lect new language --text FILE --pairs FILE, or lect new task --data FILE"


def command_for(paths: Sequence[Path], host: Host) -> str:
    """`lect new` with the options that these files and folders are for."""
    if not paths:
        return _ANY
    language: list[str] = []
    task: list[str] = []
    for path in paths:
        try:
            kind = detect(str(path), "data", host).kind
        except DataError:
            kind = "text" if path.is_dir() else "classification"
        options = {"text": "--text", "pairs": "--pairs", "dictionary": "--dictionary"}
        if kind in options:
            language += [options[kind], str(path)]
        else:
            task += ["--data", str(path)]
    commands = [["lect", "new", "language", *language]] if language else []
    commands += [["lect", "new", "task", *task]] if task else []
    return ", and ".join(map(shlex.join, commands))

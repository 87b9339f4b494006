"""A folder that a user works in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner


@dataclass(frozen=True)
class Workspace:
    """The folder, and a way to run `lect` in it."""

    folder: Path

    def lect(self, *arguments: str):
        """Run the command line in the folder; the result has exit_code, stdout, stderr."""
        from lect.commands.app import app

        return CliRunner().invoke(app, list(arguments))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

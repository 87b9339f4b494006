"""`lect doctor`: what is wrong with this installation, and what mends it."""

from __future__ import annotations

from dataclasses import asdict

import typer

from lect.commands.app import FAILURE, load_host
from lect.commands.console import print_json, print_table
from lect.commands.options import JsonOption

app = typer.Typer(add_completion=False)


@app.command("doctor")
def doctor(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Look at versions, plugins, cache, components and hardware; exit with 1 if something is wrong."""
    from lect.registry.diagnosis import diagnose

    findings = list(diagnose(load_host(ctx, tolerant=True)))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        rows = [
            (finding.state, finding.subject, finding.what + (f"\n→ {finding.fix}" if finding.fix else ""))
            for finding in findings
        ]
        print_table(("", "what", "finding"), rows, narrow=("", "what"))
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(FAILURE)

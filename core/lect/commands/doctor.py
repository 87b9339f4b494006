"""`lect doctor`: what is wrong with this installation, and what mends it."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from lect.commands.app import FAILURE, load_host
from lect.commands.console import echo, print_json, print_table
from lect.commands.options import JsonOption

if TYPE_CHECKING:
    from lect.registry.diagnosis import Finding

app = typer.Typer(add_completion=False)


@app.command("doctor")
def doctor(
    ctx: typer.Context,
    report: Annotated[
        bool, typer.Option("--report", help="As Markdown for an issue, without paths, with the last fault.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at versions, plugins, cache, components and hardware; exit with 1 if something is wrong."""
    from lect.registry.diagnosis import diagnose

    findings = list(diagnose(load_host(ctx, tolerant=True)))
    if report:
        echo("\n".join(_report(findings)))
    elif as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        rows = [
            (finding.state, finding.subject, finding.what + (f"\n→ {finding.fix}" if finding.fix else ""))
            for finding in findings
        ]
        print_table(("", "what", "finding"), rows, narrow=("", "what"))
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(FAILURE)


def _report(findings: Sequence[Finding]) -> Iterator[str]:
    """What helps whoever reads an issue, and tells nothing of who wrote it."""
    from lect.faults import last_fault, without_paths
    from lect.installed import plugin_versions

    yield from ("| | what | finding |", "| --- | --- | --- |")
    for each in findings:
        yield f"| {each.state} | {each.subject} | {without_paths(each.what).replace('|', '/')} |"
    yield f"| ok | distributions | {', '.join(f'{name} {version}' for name, version in plugin_versions().items())} |"
    yield f"| ok | machine | {platform.system()} {platform.release()}, {platform.machine()} |"
    if fault := last_fault():
        yield from ("", "The last fault:", "", "```text", fault, "```")

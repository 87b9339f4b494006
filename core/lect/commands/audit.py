"""`lect audit`: whether a stack treats languages and groups alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lect.commands.app import load_host
from lect.commands.console import echo, echo_json, stderr_console, stdout_console
from lect.commands.options import ComponentsOption, JsonOption, LocaleOption, library_of

app = typer.Typer(add_completion=False)


@app.command()
def audit(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="What to audit: a TOML file.")],
    stack: Annotated[str | None, typer.Option("--stack", "-s", help="Instead of the file's stack.")] = None,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    output: Annotated[
        list[Path] | None, typer.Option("--output", help="Write it there too: .json, .md or .html. Repeatable.")
    ] = None,
    locale: LocaleOption = None,
) -> None:
    """Score a stack by language and group, on texts that differ only in the group, and count the data's own bias."""
    from lect.errors import UserError
    from lect.locales import find_locale

    reader = find_locale(locale)
    for path in output or ():
        if path.suffix not in (".json", ".md", ".html"):
            fix = "use .json, .md or .html"
            raise UserError(f'audits are not written as "{path.suffix}"', where=str(path), fix=fix)
    host = load_host(ctx)
    with stderr_console().status("Auditing"):
        from lect.api.reports import audit as audited

        library = None if components is None else library_of(components)
        report = audited(file, stack=stack or "", library=library, host=host)
    for path in output or ():
        from lect.files import write_aside

        forms = {".json": report.to_json, ".md": report.to_markdown}
        write_aside(path, report.to_html(reader.tag) if path.suffix == ".html" else forms[path.suffix]())
    if as_json:
        echo_json(report.to_json())
    elif markdown:
        echo(report.to_markdown())
    else:
        stdout_console().print(report)

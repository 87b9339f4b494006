"""The part of `lect eval` that scores a matrix: languages × stacks, from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lect.commands.console import echo, echo_json, stderr_console, stdout_console
from lect.errors import UserError

if TYPE_CHECKING:
    from lect.evaluation.matrix.result import MatrixReport
    from lect.host import Host
    from lect.locales import Locale
    from lect.storage.library import Library

Shown = Literal["table", "json", "markdown"]
ENDINGS = (".html", ".md", ".csv", ".json")


def evaluate_matrix(
    path: Path,
    host: Host,
    components: Library | None,
    cells: Path | None,
    output: Sequence[Path],
    shown: Shown,
    locale: Locale,
) -> None:
    """Score what is missing, then write and show the report.

    Args:
        components: instead of what the file says.
        cells: where finished cells are kept; ``runs/eval-<file>`` by default.
        output: the files to write the report to; their endings say how.
        locale: of whoever reads its page.

    Raises:
        UserError: the file, or something that it names, is wrong.
    """
    for file in output:
        if file.suffix not in ENDINGS:
            raise UserError(
                f'reports are not written as "{file.suffix}"', where=str(file), fix=f"use {', '.join(ENDINGS)}"
            )
    with stderr_console().status("Loading") as status:
        from lect.api.reports import evaluate_matrix as evaluated

        report = evaluated(
            path,
            library=components,
            cells=cells,
            host=host,
            progress=lambda what, share: status.update(f"{share:.0%} {what}"),
        )
        status.update("Writing")
        for file in output:
            _write(report, file, locale)
    if shown == "json":
        echo_json(report.to_json())
    elif shown == "markdown":
        echo(report.to_markdown())
    else:
        stdout_console().print(report)
        if output:
            echo(f"Written: {', '.join(map(str, output))}")


def _write(report: MatrixReport, file: Path, locale: Locale) -> None:
    from lect.files import write_aside

    texts = {".md": report.to_markdown, ".csv": report.to_csv, ".json": report.to_json}
    write_aside(file, report.to_html(locale.tag) if file.suffix == ".html" else texts[file.suffix]())

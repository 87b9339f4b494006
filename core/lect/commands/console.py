"""What commands print with: consoles, tables that fit 80 columns, warnings."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from lect.visible import visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from lect.literals import Progress

WIDTH = 80
"""The width of what is printed where no terminal says otherwise."""


def stdout_console() -> Console:
    """A console for results. Where there is no terminal its width is 80 columns, or that of ``COLUMNS``."""
    return _console(stderr=False)


def stderr_console() -> Console:
    """A console for progress and messages, so that what a program reads stays clean."""
    return _console(stderr=True)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str | None = None,
    right: Sequence[str] = (),
    narrow: Sequence[str] = (),
    console: Console | None = None,
) -> None:
    """Print a table that folds its cells rather than cut them. Cells are plain text, never markup.

    Args:
        right: the columns that are set flush right: numbers.
        narrow: the columns that are never folded.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", show_edge=False, pad_edge=False
    )
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        table.add_column(Text(column), justify=justify, overflow="fold", no_wrap=column in narrow)
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    (console or stdout_console()).print(table)


def print_json(value: Any) -> None:
    """Print a value as JSON, every script readable."""
    echo_json(json.dumps(value, ensure_ascii=False, indent=2))


def echo_json(text: str) -> None:
    """Print a text that is JSON already, on standard output, at once."""
    print(visible_json(text), flush=True)


def echo(text: str) -> None:
    """Print a line that may hold texts of strangers (labels, names, sources) on standard output."""
    # At once: another process may wait for the line.
    print(visible(text), flush=True)


def echo_paragraph(text: str, indent: str = "", hanging: str = "") -> None:
    """Print a text in lines that fit 80 columns.

    Args:
        indent: before every line.
        hanging: before all lines but the first one, too.
    """
    lines = textwrap.wrap(
        text,
        WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
        initial_indent=indent,
        subsequent_indent=indent + hanging,
    )
    for line in lines:
        echo(line)


def shown_in(status: Status) -> Progress:
    """Shows how far something is in a status line; what comes after it has no shares, and is loading."""
    return lambda what, share: status.update("Loading" if share >= 1 else f"{what} {share:.0%}" if share > 0 else what)


def write_out(lines: str) -> None:
    """Write lines that may be read by a program on standard output, all at once."""
    sys.stdout.write(lines)
    sys.stdout.flush()


def warn(message: str) -> None:
    """Print a warning, one line on standard error; of several processes that train together only the main one does."""
    if os.environ.get("RANK", "0") == "0":
        _labelled("warning", "yellow", message)


def note(message: str) -> None:
    """Print what the user may want to know, one line on standard error."""
    _labelled("note", "cyan", message)


def complain(message: str) -> None:
    """Print an error, one line on standard error."""
    _labelled("error", "red", message)


def _labelled(label: str, colour: str, message: str) -> None:
    # Colour without rich: an error of a mistyped command must not take the time to load it.
    if sys.stderr.isatty():
        codes = {"red": "31", "yellow": "33", "cyan": "36"}
        label = f"\x1b[1;{codes[colour]}m{label}\x1b[0m"
    print(f"{label}: {visible(message)}", file=sys.stderr)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console
    from rich.segment import Segment
    from rich.status import Status
    from rich.text import Text

    class PlainStatus(Status):
        """A line that tells what is being done, in which nothing is markup."""

        def update(self, status: Any = None, **options: Any) -> None:
            super().update(Text(status) if isinstance(status, str) else status, **options)

    class Gated(Console):
        """A console that spells out what would steer the terminal, wherever a text comes from; nothing is markup."""

        def status(self, status: Any, **options: Any) -> Status:
            return PlainStatus(Text(status) if isinstance(status, str) else status, console=self, **options)

        def render(self, renderable: Any, options: Any = None) -> Iterator[Segment]:
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else visible(text), style, control)

    stream = sys.stderr if stderr else sys.stdout
    # `rich` falls back on 80 columns too, but only where every standard stream is redirected.
    width = None if stream.isatty() else shutil.get_terminal_size((WIDTH, 24)).columns
    return Gated(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)

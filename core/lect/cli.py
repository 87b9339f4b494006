"""What commands of plugins are made of: the host, options that several commands share, and what they print with.

`load_host(ctx)` gives the host with the plugins that the user wants; an error of `lect.UserError`'s family ends a
command with one line; `typer.Exit(INTERRUPTED)` is how one ends after Ctrl-C. What a command prints for programs and
readers of its results goes to standard output (`echo`, `print_json`, `print_table`), all else to standard error.
"""

from lect.commands.app import FAILURE, INTERRUPTED, load_host
from lect.commands.console import (
    complain,
    echo,
    note,
    print_json,
    print_table,
    stderr_console,
    stdout_console,
    warn,
)
from lect.commands.options import (
    BackboneOption,
    ComponentsOption,
    FieldOption,
    JsonOption,
    ReaderOption,
    StackOption,
    library_of,
    settings_of,
    source_of,
)

__all__ = [
    "FAILURE",
    "INTERRUPTED",
    "BackboneOption",
    "ComponentsOption",
    "FieldOption",
    "JsonOption",
    "ReaderOption",
    "StackOption",
    "complain",
    "echo",
    "library_of",
    "load_host",
    "note",
    "print_json",
    "print_table",
    "settings_of",
    "source_of",
    "stderr_console",
    "stdout_console",
    "warn",
]

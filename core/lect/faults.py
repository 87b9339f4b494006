"""The last fault of `lect` or a plugin, kept for a report: where in the code it was, without texts, names and paths."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from lect.cache import cache_folder, data_folder
from lect.files import write_aside

_FILE = "last-fault.txt"


def keep_fault(error: BaseException, command: str) -> None:
    """Keep an exception for `last_fault`; where it cannot be kept, nothing happens.

    Args:
        command: the subcommand that was run, without its arguments.
    """
    when = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    with suppress(OSError):
        data_folder().mkdir(parents=True, exist_ok=True)
        write_aside(data_folder() / _FILE, "\n".join([f"{when}, lect {command}".rstrip(), *_lines(error), ""]))


def last_fault() -> str | None:
    """What was kept last; None where nothing was."""
    try:
        return (data_folder() / _FILE).read_text("utf-8").strip()
    except OSError:
        return None


def without_paths(text: str) -> str:
    """A text with its absolute paths, and addresses with what leads there, taken out."""
    # The folders that are known may have spaces in their names.
    for known in sorted({str(Path.home()), str(Path.cwd()), str(cache_folder()), str(data_folder())}, key=len)[::-1]:
        if len(known) > 1:
            text = text.replace(known, "/…")
    return re.sub(r"(?:[a-z]+://|(?<!\w)~?/|[A-Z]:\\)[^\s,;:|]+", "…", text)


def _lines(error: BaseException) -> Iterator[str]:
    """The exceptions from the first cause on, each with its frames; what they say may hold texts, and is left out."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _lines(cause)
    yield f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {_module(frame.filename)}:{frame.lineno} {frame.name}"


def _module(file: str) -> str:
    """A source file from its package on: what lies above it tells who runs it."""
    path = Path(file)
    for parent in path.parents:
        if parent.name in ("site-packages", "dist-packages", "core") or not (parent / "__init__.py").exists():
            return path.relative_to(parent).as_posix()
    return path.name

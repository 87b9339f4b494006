"""TOML files, read with bounds and located errors, and written so that they read back equal."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lect.errors import UserError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_BYTES = 1_000_000
MAX_DEPTH = 32

_TOO_DEEP = f"values are nested deeper than {MAX_DEPTH} levels"

# tomllib takes time and memory by the square of a dotted key's length: one of a megabyte would exhaust the machine.
_LONG_KEY = re.compile(
    r"""(?<![\w-]) (?: (?: [\w-]+ | "[^"\n]*" | '[^'\n]*' ) [ \t]* \. [ \t]* ){64}""", re.ASCII | re.VERBOSE
)


def read_toml(path: Path, error: type[UserError]) -> dict[str, Any]:
    """The contents of a TOML file of at most a megabyte.

    Raises:
        UserError: of the class `error`; the file cannot be read, is too large, or is not TOML.
    """
    try:
        # More than the limit is never read, whatever the file's size is said to be.
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as problem:
        raise error(f"cannot be read ({problem.strerror or problem})", where=str(path)) from None
    if len(content) > MAX_BYTES:
        raise error(f"is larger than {MAX_BYTES:,} bytes", where=str(path), fix="give a smaller file") from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise error("is not UTF-8", where=f"{path}, line {line}", fix="save it as UTF-8") from None
    return parse_toml(text, error, where=str(path))


def parse_toml(text: str, error: type[UserError], *, where: str) -> dict[str, Any]:
    """The values of a TOML text. A nesting deeper than `MAX_DEPTH` is refused.

    Raises:
        UserError: of the class `error`, with line and column.
    """
    if _LONG_KEY.search(text):
        raise error(_TOO_DEEP, where=where)
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        what, place = _located(str(problem), text)
        fix = "write it in single quotes, or each backslash as /" if _of_a_backslash(what) else None
        raise error(f"not valid TOML: {what}", where=f"{where}, {place}", fix=fix) from None
    except ValueError:  # an integer of thousands of digits
        raise error("not valid TOML: a number has too many digits", where=where) from None
    except RecursionError:
        raise error(_TOO_DEEP, where=where) from None
    if problem_found := _excess(values):
        raise error(problem_found, where=where)
    return values


def toml_text(values: Mapping[str, Any]) -> str:
    """These values as a TOML document that reads back equal. Texts of several lines are written as such.

    Tables come after other values, as TOML has it, so that what was read is written the same again.
    """
    import tomlkit

    values = _tables_last(values)
    plain = str(tomlkit.dumps(values))
    document = tomlkit.item(values)
    _unfold(document)
    readable = str(document.as_string())
    # Rare texts (quotes or control characters in odd places) only survive on one line.
    return readable if tomllib.loads(readable) == tomllib.loads(plain) else plain


def _tables_last(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_tables_last(inner) for inner in value]
    if not isinstance(value, Mapping):
        return value
    tables = {key for key, inner in value.items() if _is_table(inner)}
    return {key: _tables_last(value[key]) for key in sorted(value, key=tables.__contains__)}


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list | tuple) and any(map(_is_table, value)))


def _unfold(table: Any) -> None:
    import tomlkit
    from tomlkit.items import InlineTable

    for key, value in list(table.items()):
        if isinstance(value, str) and "\n" in value and '"""' not in value:
            table[key] = tomlkit.string(value, multiline=True)
        elif isinstance(value, Mapping) and not isinstance(value, InlineTable):
            _unfold(value)


def _located(message: str, text: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.*) \(at (line \d+, column \d+|end of document)\)", message, re.DOTALL)
    what, place = (found[1], found[2]) if found else (message, "end of document")
    if place == "end of document":
        lines = text.split("\n")
        place = f"line {len(lines)}, column {len(lines[-1]) + 1}"
    what = what.replace("\n", "\\n")
    return what[:1].lower() + what[1:], place


def _of_a_backslash(message: str) -> bool:
    """Whether TOML stumbles over a backslash: mostly of a path on Windows, where it begins no escape."""
    return "\\" in message or "hex value" in message.lower() or "escaped character" in message.lower()


def _excess(values: Any) -> str | None:
    """What is too deep or too large, if anything is."""
    # Level by level, never by recursion: keys and brackets nest as deep as a file is long.
    level, depth = [values], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            return _TOO_DEEP
        inner = [value for outer in level for value in (outer.values() if isinstance(outer, dict) else outer)]
        # As the specification has it; a larger one, in hexadecimal, could not even be printed.
        if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in inner):
            return "an integer does not fit 64 bits"
        level = [value for value in inner if isinstance(value, dict | list)]
    return None

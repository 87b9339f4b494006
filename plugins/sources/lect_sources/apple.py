"""The reader of the strings files of iOS and macOS: ``.strings`` and ``.stringsdict``.

The format: Apple, Localizing strings that contain plurals; Resource Programming Guide, String Resources.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lect import DataError, Example, ReaderSpec
from lect.data.files import first_bytes, open_bytes, read_bytes
from lect_sources.keyed import KeyedTextConfig, Named, keyed_rows

_LARGEST = 1 << 26
"""The most bytes of a property list."""
_MOST, _LONGEST = 20, 10_000
"""The most variables of a message that are filled in, and the most characters of one."""
_TOKEN = re.compile(
    r"""(?P<space>\s+|/\*.*?\*/|//[^\n]*\n?)|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[\w.$:/-]+)|(?P<mark>[=;])""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:[Uu]([0-9A-Fa-f]{4})|([0-7]{1,3})|(.))", re.DOTALL)
_CONTROL = {"n": "\n", "t": "\t", "r": "\r"}
_VARIABLE = re.compile(r"%(?:\d+\$)?#@(\w+)@")
_CATEGORIES = ("zero", "one", "two", "few", "many", "other")


def read_apple(config: KeyedTextConfig, folder: Path) -> Iterator[Example]:
    """The strings of ``XX.lproj`` with those of ``en.lproj`` or ``Base.lproj``. Raises `DataError`."""
    return keyed_rows(
        config,
        folder,
        lambda path, where: _strings(config, path, where),
        lambda path: sorted(file for file in path.iterdir() if file.suffix in (".strings", ".stringsdict")),
    )


def _strings(config: KeyedTextConfig, path: Path, where: str) -> Iterator[Named]:
    head = first_bytes(path, where, 200).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith((b"bplist", b"<?xml", b"<!DOCTYPE plist", b"<plist")):
        yield from _property_list(path, where)
        return
    tokens = _tokens(config.whole(path, where), where)
    for line, kind, name in tokens:
        place = f"{where}, line {line}"
        if kind == "mark":
            raise DataError(f'"{name}" where a name should stand', where=place, fix='write "name" = "message";')
        _, kind, mark = next(tokens, (0, "", ""))
        value = name
        if (kind, mark) == ("mark", "="):
            _, kind, value = next(tokens, (0, "", ""))
            if kind != "text":
                raise DataError(f'no message follows "{name}"', where=place, fix='write "name" = "message";')
            _, kind, mark = next(tokens, (0, "", ""))
        if (kind, mark) != ("mark", ";"):
            raise DataError(f'";" does not follow "{name}" and its message', where=place, fix="put one there")
        yield Named(name, {"other": value}, place)


def _tokens(text: str, where: str) -> Iterator[tuple[int, str, str]]:
    """Each with its line; a text without its escapes."""
    position, line = 0, 1
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            begin = text[position : position + 20].split("\n")[0]
            what = "a quotation mark is never closed" if begin[0] == '"' else f"no strings file: {begin!r}"
            raise DataError(what, where=f"{where}, line {line}", fix='write "name" = "message";')
        if found.lastgroup == "mark":
            yield line, "mark", found[0]
        elif found.lastgroup != "space":
            quoted = found["quoted"]
            yield line, "text", found["bare"] if quoted is None else _unescaped(quoted)
        line += found[0].count("\n")
        position = found.end()


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(_character, text)
    # Halves of a pair are written as two escapes.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(found: re.Match[str]) -> str:
    if found[1] or found[2]:
        return chr(int(found[1], 16) if found[1] else int(found[2], 8))
    return _CONTROL.get(found[3], found[3])


def _property_list(path: Path, where: str) -> Iterator[Named]:
    with open_bytes(path, where) as file:
        raw = read_bytes(file, _LARGEST + 1, where)
    try:
        if len(raw) > _LARGEST:
            raise ValueError(f"more than {_LARGEST:,} bytes")
        # It refuses entities, and reads nothing outside the file.
        entries = plistlib.loads(raw)
    except Exception as error:
        # Of what is broken `plistlib` raises whatever its parsers do.
        said = " ".join(str(error).split())[:100]
        fix = "write it anew with plutil"
        raise DataError(f"no property list that can be read ({said})", where=where, fix=fix) from None
    if not isinstance(entries, dict):
        raise DataError("the property list is no dictionary", where=where, fix="name a .strings or .stringsdict file")
    for name, value in entries.items():
        place = f"{where}, name {' '.join(str(name).split())}"
        if isinstance(value, str):
            yield Named(str(name), {"other": value}, place)
        elif isinstance(value, dict) and (found := _plural(value)):
            yield Named(str(name), found, place)


def _plural(entry: Mapping[str, Any]) -> dict[str, str]:
    """The forms of an entry of a ``.stringsdict``: its first variable in each, others as they are in ``other``."""
    pattern = entry.get("NSStringLocalizedFormatKey")
    if not isinstance(pattern, str):
        return {}
    variables = {name: value for name, value in entry.items() if isinstance(value, dict)}
    first = next((name for name in _VARIABLE.findall(pattern) if name in variables), None)
    if first is None or any(len(str(form)) > _LONGEST for each in variables.values() for form in each.values()):
        return {"other": pattern}
    found = {}
    for category in _CATEGORIES:
        if isinstance(form := variables[first].get(category), str):
            shown = _VARIABLE.sub(lambda each, form=form: form if each[1] == first else each[0], pattern, _MOST)
            others = {name: str(each.get("other", "")) for name, each in variables.items()}
            found[category] = _VARIABLE.sub(lambda each, others=others: others.get(each[1], each[0]), shown, _MOST)
    return found


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="apple",
        summary="strings of iOS and macOS: XX.lproj with en.lproj or Base.lproj",
        config=KeyedTextConfig,
        read=read_apple,
        endings=(".strings", ".stringsdict"),
    ),
)

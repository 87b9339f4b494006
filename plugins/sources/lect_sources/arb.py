"""The reader of catalogues in JSON: Flutter's ARB, those of the web, and those of browsers' extensions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lect import DataError, Example, ReaderSpec
from lect.data.files import parse_json
from lect_sources.keyed import KeyedTextConfig, Named, keyed_rows

_DEEPEST = 50
_MOST_FORMS = 24
_ARGUMENT = re.compile(r"\{\s*\w+\s*,\s*(?:plural|selectordinal|select)\s*,(?:\s*offset:\d+)?")
_SELECTOR = re.compile(r"\s*(=\d+|\w+)\s*\{")


def read_arb(config: KeyedTextConfig, folder: Path) -> Iterator[Example]:
    """The messages of ``app_XX.arb`` or ``XX.json`` with those of ``en``, by their names. Raises `DataError`."""
    return keyed_rows(config, folder, lambda path, where: _messages(config, path, where))


def _messages(config: KeyedTextConfig, path: Path, where: str) -> Iterator[Named]:
    text = config.whole(path, where)
    if not text.strip():
        raise DataError("the file is empty", where=where)
    value = parse_json(text, where)
    if not isinstance(value, dict):
        raise DataError("the file is no object of names and messages", where=where, fix="name a catalogue in JSON")
    for name, message in _flat(value, "", where):
        yield Named(name, icu_forms(message), f"{where}, name {' '.join(name.split())}")


def _flat(value: Mapping[str, Any], above: str, where: str) -> Iterator[tuple[str, str]]:
    """Each message with its name, after those of the objects that it is in."""
    if above.count(".") > _DEEPEST:
        raise DataError(f"objects in objects, more than {_DEEPEST} deep", where=where, fix="name a catalogue in JSON")
    for key, inner in value.items():
        # ARB says of a message what "@" and its name hold.
        if key.startswith("@"):
            continue
        name = f"{above}{key}"
        if isinstance(inner, str):
            yield name, inner
        elif isinstance(inner, dict):
            # Browsers' extensions have an object for each message.
            if isinstance(inner.get("message"), str):
                yield name, inner["message"]
            else:
                yield from _flat(inner, f"{name}.", where)
        elif isinstance(inner, list):
            yield from ((f"{name}.{at}", each) for at, each in enumerate(inner) if isinstance(each, str))


def icu_forms(message: str) -> dict[str, str]:
    """The forms of a message in ICU's format: of its first plural or choice each, of the next ones in it each.

    A message that is not well formed is one form, as it stands.
    """
    found = _spread(message)
    if found is None:
        return {"other": message}
    while len(found) < _MOST_FORMS:
        name, spread = next(((name, more) for name, form in found.items() if (more := _spread(form))), ("", None))
        if spread is None:
            break
        del found[name]
        found |= {f"{name} {selector}": form for selector, form in spread.items()}
    # What stands for the number is no letter of the message, and two apostrophes are one.
    return {name: form.replace("#", "{0}").replace("''", "'") for name, form in found.items()}


def _spread(message: str) -> dict[str, str] | None:
    argument = _ARGUMENT.search(message)
    if argument is None:
        return None
    position, branches = argument.end(), dict[str, str]()
    while (selector := _SELECTOR.match(message, position)) is not None:
        end = _closing(message, selector.end())
        if end is None:
            return None
        branches[selector[1]] = message[selector.end() : end]
        if len(branches) > _MOST_FORMS:
            return None
        position = end + 1
    rest = message[position:].lstrip()
    if not branches or not rest.startswith("}"):
        return None
    return {name: message[: argument.start()] + branch + rest[1:] for name, branch in branches.items()}


def _closing(message: str, position: int) -> int | None:
    depth = 1
    for at in range(position, len(message)):
        depth += {"{": 1, "}": -1}.get(message[at], 0)
        if not depth:
            return at
    return None


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="arb",
        summary="catalogues in JSON and ARB: a file of each language, joined by names",
        config=KeyedTextConfig,
        read=read_arb,
        endings=(".arb",),
    ),
)

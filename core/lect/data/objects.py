"""JSON objects of a file: one a line, or the elements of one list."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lect.data.lines import read_lines, read_whole
from lect.errors import DataError

_ONE_OBJECT = "write one object a line"
_SPACE = " \t\n\r"


def json_objects(path: Path, where: str, encoding: str = "utf-8") -> Iterator[tuple[Mapping[str, Any], str]]:
    """The objects of a file, each with where it stands; blank lines are none.

    A file may be one list of objects instead, over as many lines as it likes.

    Raises:
        DataError: with the line, also where an object has a key twice.
    """
    empty, first = True, True
    for line, text in read_lines(path, where, encoding=encoding):
        empty = False
        if not text.strip():
            continue
        if first and text.lstrip().startswith("["):
            yield from _elements(read_whole(path, where, encoding), where)
            return
        first = False
        place = f"{where}, line {line}"
        yield _checked(parse_json(text, place, f"{where}, line {line}", _ONE_OBJECT), place, "line"), place
    if empty:
        raise DataError("the file is empty", where=where)


def parse_json(text: str, where: str, first: str | None = None, fix: str | None = None) -> Any:
    """The value that a text holds.

    Args:
        where: how messages call the text's file; the line of a fault is added.
        first: how messages call the place where the text is one line of a file; no line is added.

    Raises:
        DataError: it is no JSON, or an object in it has a key twice.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        place = first if first is not None else f"{where}, line {error.lineno}"
        raise DataError(f"not JSON: {error.msg} at column {error.colno}", where=place, fix=fix) from None
    except _TwiceError as error:
        place = first or where
        raise DataError(f'an object has the key "{error}" twice', where=place, fix="take one of them out") from None
    except (RecursionError, ValueError) as error:
        raise DataError(f"not JSON that can be read: {error}", where=first or where, fix=fix) from None


class _TwiceError(ValueError):
    """An object has a key twice: which of both is meant, nothing says."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for place, name in enumerate(names) if name in names[:place]))
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _elements(text: str, where: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The objects of a list, each with its line, read one by one: a fault in the last does not hide the first."""
    position = _after_space(text, 0) + 1
    line, counted, number = 1, 0, 0
    while True:
        position = _after_space(text, position)
        if not number and text[position : position + 1] == "]":
            break
        number += 1
        line, counted = line + text.count("\n", counted, position), position
        place = f"{where}, line {line}"
        try:
            value, position = _DECODER.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise DataError(f"not JSON: {error.msg}", where=f"{where}, line {error.lineno}") from None
        except _TwiceError as error:
            raise DataError(f'an object has the key "{error}" twice', where=place, fix="take one of them out") from None
        except (RecursionError, ValueError) as error:
            raise DataError(f"not JSON that can be read: {error}", where=place) from None
        yield _checked(value, place, "entry"), f"{where}, entry {number}, line {line}"
        position = _after_space(text, position)
        if text[position : position + 1] == "]":
            break
        if text[position : position + 1] != ",":
            at = f"{where}, line {1 + text.count(chr(10), 0, position)}"
            raise DataError("not JSON: neither a comma nor the end of the list", where=at)
        position += 1
    position = _after_space(text, position + 1)
    if position < len(text):
        at = f"{where}, line {1 + text.count(chr(10), 0, position)}"
        raise DataError("something follows the list", where=at, fix="write one list, or one object a line")


def _after_space(text: str, position: int) -> int:
    while text[position : position + 1] and text[position] in _SPACE:
        position += 1
    return position


def _checked(value: Any, where: str, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"the {what} holds {kind_of(value)}, not an object", where=where, fix=_ONE_OBJECT)
    return value


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    names: dict[type, str] = {bool: "a truth value", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")

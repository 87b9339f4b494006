"""The reader of Android's string resources (https://developer.android.com/guide/topics/resources/string-resource)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lect import Example, ReaderSpec
from lect_sources.keyed import KeyedConfig, Named, keyed_rows
from lect_sources.xmlfiles import Element, elements

_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))|\"|\s+", re.DOTALL)
_CONTROL = {"n": "\n", "t": "\t"}
_REFERENCE = re.compile(r"[@?](?:[\w.]+:)?[a-z]+/[\w.]+")
"""A message that is another one's, such as ``@string/app_name``."""


def read_android(config: KeyedConfig, folder: Path) -> Iterator[Example]:
    """The strings, plurals and arrays of ``values-XX`` with those of ``values``. Raises `DataError`."""
    return keyed_rows(config, folder, _strings, lambda path: sorted(path.glob("*.xml")))


def _strings(path: Path, where: str) -> Iterator[Named]:
    for element in elements(path, where, ("resources",), ("string", "plurals", "string-array")):
        name, place = element.get("name"), f"{where}, line {element.line}"
        translated = element.get("translatable") != "false"
        if element.name == "string":
            yield Named(name, {"other": _read(element)}, place, translated)
        elif element.name == "plurals":
            items = {item.get("quantity"): _read(item) for item in element.children("item")}
            if items:
                yield Named(name, items, place, translated)
        else:
            for number, item in enumerate(element.children("item")):
                place = f"{where}, item {number}, line {item.line}"
                yield Named(f"{name}[{number}]", {"other": _read(item)}, place, translated)


def _read(element: Element) -> str:
    """Without escapes and the quotation marks that keep spaces; "" of a reference to another string."""
    written = element.text().strip()
    if _REFERENCE.fullmatch(written):
        return ""
    # Halves of a pair are written as two escapes.
    return _ESCAPE.sub(_unescaped, written).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescaped(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    if found[2]:
        return _CONTROL.get(found[2], found[2])
    return "" if found[0] == '"' else " "


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="android",
        summary="Android's string resources: res/values-XX with res/values",
        config=KeyedConfig,
        read=read_android,
        endings=(".xml",),
    ),
)

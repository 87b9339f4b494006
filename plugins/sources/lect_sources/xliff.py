"""The reader of XLIFF 1.2 and 2.x (https://docs.oasis-open.org/xliff/)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from lect import Example, ReaderSpec
from lect.data.files import each_file
from lect_sources.messages import Accelerators, CatalogueConfig, Message, State, rows
from lect_sources.xmlfiles import Element, elements

_NATIVE_CODE = frozenset({"bpt", "ept", "it", "ut", "bx", "ex", "sc", "ec", "sm", "em"})
"""Elements of a message that hold a format's own marks, such as HTML's, and no text."""
_PLACEHOLDER = frozenset({"x", "ph"})
_SHOWN = ("equiv-text", "disp", "equiv")
"""Attributes of a placeholder that say what it stands for."""


class XliffConfig(CatalogueConfig):
    """As `CatalogueConfig`, of XLIFF."""

    accelerators: Accelerators = "_&"


def read_xliff(config: XliffConfig, folder: Path) -> Iterator[Example]:
    """The units of XLIFF 1.2, and the segments of XLIFF 2. Raises `DataError`."""
    files = each_file(config.path, folder, (".xlf", ".xliff"))
    return islice(chain.from_iterable(rows(config, _messages(*file), file[1]) for file in files), config.limit)


def _messages(path: Path, where: str) -> Iterator[Message]:
    for unit in elements(path, where, ("xliff",), ("trans-unit", "unit")):
        segments = [unit] if unit.name == "trans-unit" else list(unit.within("segment"))
        for segment in segments:
            source, target = segment.child("source"), segment.child("target")
            if source is None:
                continue
            text = _text(source)
            translation = "" if target is None else _text(target)
            yield Message(text, translation, f"{where}, line {segment.line}", _state(unit, segment, target), text)


def _state(unit: Element, segment: Element, target: Element | None) -> State:
    if unit.get("translate") == "no":
        return "not to be translated"
    state = ("" if target is None else target.get("state")) or segment.get("state")
    waits = state.startswith("needs-") or state in ("new", "initial")
    return "fuzzy" if waits or unit.get("approved") == "no" else ""


def _text(side: Element) -> str:
    pieces = []
    for one in side.content:
        if isinstance(one, str):
            pieces.append(one)
        elif one.name in _PLACEHOLDER:
            pieces.append(next((one.get(name) for name in _SHOWN if one.get(name)), ""))
        elif one.name == "cp":
            pieces.append(" ")
        elif one.name not in _NATIVE_CODE:
            pieces.append(_text(one))
    return "".join(pieces)


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="xliff",
        summary="translated messages and documents in XLIFF 1.2 and 2",
        config=XliffConfig,
        read=read_xliff,
        endings=(".xlf", ".xliff"),
    ),
)

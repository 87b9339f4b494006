"""The reader of Qt's catalogues (https://doc.qt.io/qt-6/linguist-ts-file-format.html)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from lect import Example, ReaderSpec
from lect.data.files import each_file
from lect_sources.messages import Accelerators, CatalogueConfig, Message, State, forms, rows
from lect_sources.xmlfiles import Element, elements

_STATES: dict[str, State] = {"unfinished": "fuzzy", "obsolete": "obsolete", "vanished": "obsolete"}


class QtConfig(CatalogueConfig):
    """As `CatalogueConfig`, of Qt Linguist; unfinished messages are what `fuzzy` takes."""

    accelerators: Accelerators = "&"


def read_qt(config: QtConfig, folder: Path) -> Iterator[Example]:
    """The messages of catalogues of Qt, each form of a plural a row. Raises `DataError`."""
    files = each_file(config.path, folder, (".ts",))
    return islice(chain.from_iterable(rows(config, _messages(*file), file[1]) for file in files), config.limit)


def _messages(path: Path, where: str) -> Iterator[Message]:
    for message in elements(path, where, ("TS",), ("message",)):
        source, translation = message.child("source"), message.child("translation")
        if source is None:
            continue
        text, place = _text(source), f"{where}, line {message.line}"
        if translation is None:
            yield Message(text, "", place, "", text)
            continue
        written = [_text(form) for form in translation.children("numerusform")] or [_text(translation)]
        yield from forms(((text, form) for form in written), place, _STATES.get(translation.get("type"), ""), text)


def _text(side: Element) -> str:
    """The first of the variants, which differ in length alone; a `byte` is a control character."""
    variant = side.child("lengthvariant")
    return variant.text() if variant is not None else side.text()


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="qt",
        summary="Qt's catalogues of a program's messages (.ts)",
        config=QtConfig,
        read=read_qt,
        endings=(".ts",),
    ),
)

"""Catalogues in two files, one of each language, whose messages are joined by their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Annotated

from pydantic import Field

from lect import DataError, Example
from lect.data.files import Encoding, existing_file, first_bytes, read_lines, say
from lect_sources.messages import Message, MessagesConfig, by_category, forms, rows

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LARGEST = 1 << 26
"""The most characters of a file that is held as a whole."""
_COMPRESSED = ("", ".gz", ".zst")


class KeyedConfig(MessagesConfig):
    """As `MessagesConfig`, of two files whose messages are joined by their names.

    Args:
        path: the translated file, plain or compressed by gzip or zstd; relative to the recipe's folder.
        source: the same file of the source language; by default the one that lies beside it as the format's tools lay
            it, and is said.
        names_are_sources: the names of messages are the messages of the source language.
    """

    path: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)] | None = None
    names_are_sources: bool = False


class KeyedTextConfig(KeyedConfig):
    """As `KeyedConfig`, of files of text.

    Args:
        encoding: what the files were saved in, such as ``cp1252``; by default UTF-8, or what their first bytes say.
    """

    encoding: Encoding | None = None

    def encoding_of(self, path: Path, where: str) -> str:
        """What a file was saved in."""
        return self.encoding or ("utf-16" if first_bytes(path, where, 2) in _UTF16 else "utf-8")

    def whole(self, path: Path, where: str) -> str:
        """All of a file. Raises `DataError`, also where it is larger than a catalogue is."""
        pieces, length = [], 0
        for line, text in read_lines(path, where, encoding=self.encoding_of(path, where)):
            pieces.append(text)
            length += len(text)
            if length > _LARGEST:
                what = f"a catalogue of more than {_LARGEST:,} characters"
                raise DataError(what, where=f"{where}, line {line}", fix="read it in parts")
        return "".join(pieces)


@dataclass(frozen=True, slots=True)
class Named:
    """A message of one file.

    Args:
        forms: by CLDR's categories of number, or the message alone as ``other``.
        place: where it stands.
        translated: whether it is to be translated at all.
    """

    name: str
    forms: Mapping[str, str]
    place: str
    translated: bool = True


Parse = Callable[[Path, str], Iterator[Named]]


def keyed_rows(
    config: KeyedConfig, folder: Path, parse: Parse, inside: Callable[[Path], list[Path]] | None = None
) -> Iterator[Example]:
    """The messages that both files have.

    Args:
        parse: the messages of a file, of which it is told how messages call it.
        inside: the files of a folder; None where `path` is a file.

    Raises:
        DataError: there is no such file, it cannot be read, or no message has a translation.
    """
    path, named = folder / Path(config.path).expanduser(), config.path
    if inside is None or not path.is_dir():
        files = [(existing_file(path, named), named)]
    else:
        files = [(file, f"{named.rstrip('/')}/{file.name}") for file in inside(path)]
        if not files:
            raise DataError("the folder has no such files", where=named, fix="name one that has, such as values-fr")
    pairs = [(file, where, _source_of(config, folder, file, where)) for file, where in files]
    if len(files) > 1:
        # Beside files that are translated there may be others of settings alone.
        pairs = [pair for pair in pairs if pair[2] is not None]
    messages = chain.from_iterable(_joined(config, parse, *pair) for pair in pairs)
    return islice(rows(config, messages, named), config.limit)


def _joined(
    config: KeyedConfig, parse: Parse, file: Path, where: str, source: tuple[Path, str] | None
) -> Iterator[Message]:
    if config.names_are_sources:
        for one in parse(file, where):
            yield from _paired(one, Named(one.name, {"other": one.name}, one.place))
        return
    if source is None:
        raise DataError(
            "no file of the source language lies beside it",
            where=where,
            fix='name it with source = "…", or set names_are_sources = true',
        )
    sources = {one.name: one for one in parse(*source)}
    for one in parse(file, where):
        found = sources.get(one.name)
        if found is not None:
            yield from _paired(one, found)


def _paired(translation: Named, source: Named) -> Iterator[Message]:
    state = "" if translation.translated and source.translated else "not to be translated"
    yield from forms(by_category(source.forms, translation.forms), translation.place, state)


def _source_of(config: KeyedConfig, folder: Path, file: Path, where: str) -> tuple[Path, str] | None:
    if config.names_are_sources:
        return None
    if config.source is not None:
        path = folder / Path(config.source).expanduser()
        if path.is_dir():
            path, named = path / file.name, f"{config.source.rstrip('/')}/{file.name}"
        else:
            named = config.source
        return existing_file(path, named), named
    for beside in _beside(file):
        for more in _COMPRESSED:
            found = beside.with_name(beside.name + more)
            if found.is_file() and not found.samefile(file):
                shown = str(found.relative_to(folder)) if found.is_relative_to(folder) else str(found)
                say(f"{where}: the source is read from {shown}")
                return found, shown
    return None


def _beside(file: Path) -> Iterator[Path]:
    """Where the same file of the source language may lie: as Android, Apple, Java, Flutter and the web have it."""
    name = file.name.removesuffix(".gz").removesuffix(".zst")
    folder, above = file.parent, file.parent.parent
    if folder.name.startswith("values-"):
        yield above / "values" / name
        return
    if folder.name.endswith(".lproj"):
        yield from (above / language / name for language in ("en.lproj", "Base.lproj", "English.lproj"))
        return
    stem, dot, ending = name.partition(".")
    # "messages_fr_CA" is a translation of "messages" or "messages_en", "fr" one of "en".
    for found in reversed(list(re.finditer(r"[_-]", stem))):
        begin, end = stem[: found.start()], stem[found.end() :]
        # "pt-BR" is no translation of "pt", nor "messages_fr_CA" one of "messages_fr".
        if re.fullmatch(r"[A-Z]{2}|[A-Z][a-z]{3}|\d{3}", end) and re.search(r"(?:^|[_-])[a-z]{2,3}$", begin):
            continue
        yield folder / f"{begin}{dot}{ending}"
        yield from (folder / f"{begin}{found[0]}{tag}{dot}{ending}" for tag in ("en", "en_US", "en-US"))
    for tag in ("en", "en_US", "en-US"):
        yield folder / f"{tag}{dot}{ending}"
        yield above / tag / name

"""The reader of verse texts: USFM, USX, and plain files as eBible's corpus has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Annotated

from pydantic import Field

from lect import Config, DataError, Example, ReaderSpec
from lect.data.files import (
    Count,
    Encoding,
    LanguageTag,
    Paths,
    each_file,
    existing_file,
    left_out,
    name_in_messages,
    read_lines,
    without_end,
)
from lect_sources.usfm import read_usfm, read_usx
from lect_sources.verse_units import Unit, side_by_side

_RANGE = "<range>"
_USFM = (".usfm", ".sfm")
_NAMED = re.compile(r"([1-4A-Z][A-Z0-9]{2}) (\d+):(\d+)(?:\s+(.*))?")
_REFERENCE = re.compile(r"[1-4A-Z][A-Z0-9]{2} \d+:\d+[a-z]?")


class VersesConfig(Config):
    """Which verse texts to read.

    Args:
        path: a file of the text, a folder of its books, a pattern, or several files; relative to the recipe's folder.
            Files may be compressed by gzip or zstd.
        source: the same text in the source language, in any of the formats; None for the text alone.
        vref: of plain files, the file that says of which verse each line is; by default ``vref.txt`` beside them or in
            ``metadata`` beside their folder.
        language: the language of every row's text, a BCP 47 tag; kept in its canonical form.
        limit: read no more than this many rows.
        reverse: take the source for the text and the text for its translation.
        encoding: what the files were saved in, such as ``cp1252``.
    """

    path: Paths
    source: Paths | None = None
    vref: Annotated[str, Field(min_length=1)] | None = None
    language: LanguageTag | None = None
    limit: Count | None = None
    reverse: bool = False
    encoding: Encoding = "utf-8"


def read_verses(config: VersesConfig, folder: Path) -> Iterator[Example]:
    """The verses that have a text, with those of the source; a row's key is its reference. Raises `DataError`."""
    files = _files(config.path, folder)
    if config.source is None:
        return islice(_alone(config, folder, files), config.limit)
    return islice(_pairs(config, folder, files, _files(config.source, folder)), config.limit)


def _files(named: Paths, folder: Path) -> list[tuple[Path, str]]:
    return each_file(named, folder, (*_USFM, ".usx"))


def _alone(config: VersesConfig, folder: Path, files: list[tuple[Path, str]]) -> Iterator[Example]:
    for unit in _units(config, folder, files):
        yield Example(unit.text, language=config.language, key=unit.verses[0], origin=unit.place)


def _pairs(
    config: VersesConfig, folder: Path, files: list[tuple[Path, str]], others: list[tuple[Path, str]]
) -> Iterator[Example]:
    left, none = 0, True
    for unit, source in side_by_side(_units(config, folder, files), _units(config, folder, others)):
        if source is None:
            left += 1
            continue
        none = False
        text, translation = (source, unit.text) if config.reverse else (unit.text, source)
        key = unit.verses[0]
        yield Example(text, translation=translation, language=config.language, key=key, origin=unit.place)
    if none:
        raise DataError(
            f"no verse of it is in {others[0][1]}", where=files[0][1], fix="name two texts of the same books"
        )
    left_out(files[0][1], left, "that the source lacks, or a part of them,")


def _units(config: VersesConfig, folder: Path, files: list[tuple[Path, str]]) -> Iterator[Unit]:
    for path, where in files:
        ending = Path(path.name.lower().removesuffix(".gz").removesuffix(".zst")).suffix
        if ending in _USFM:
            units = read_usfm(path, where, config.encoding)
        elif ending == ".usx":
            units = read_usx(path, where)
        else:
            units = _plain(config, folder, path, where)
        first = next(units, None)
        if first is None:
            raise DataError("the file has no verses", where=where, fix="name a text in USFM, USX, or lines of verses")
        yield from chain((first,), units)


def _plain(config: VersesConfig, folder: Path, path: Path, where: str) -> Iterator[Unit]:
    """Lines of which another file says the verses, or that begin with their verse."""
    lines = ((line, without_end(text).strip()) for line, text in read_lines(path, where, encoding=config.encoding))
    references = _references(config, folder, path)
    if references is None:
        yield from _named_lines(lines, where)
        return
    verses = ((line, without_end(text).strip()) for line, text in read_lines(*references))
    held: Unit | None = None
    for line, (ours, theirs) in enumerate(zip_longest(lines, verses), start=1):
        if ours is None or theirs is None:
            what = f"{'fewer' if ours is None else 'more'} lines than {references[1]} has"
            raise DataError(what, where=f"{where}, line {line}", fix="name the vref.txt that it came with")
        text, verse = ours[1], theirs[1]
        if not _REFERENCE.fullmatch(verse):
            what = f'no reference of a verse: "{verse[:20]}"'
            raise DataError(what, where=f"{references[1]}, line {line}", fix="name a file of lines such as GEN 1:1")
        if text == _RANGE:
            if held is None:
                raise DataError(f"{_RANGE} follows no verse", where=f"{where}, line {line}", fix="put the text there")
            held = Unit((*held.verses, verse), held.text, held.place)
            continue
        if held is not None and held.text:
            yield held
        held = Unit((verse,), text, f"{where}, line {line}")
    if held is not None and held.text:
        yield held


def _named_lines(lines: Iterator[tuple[int, str]], where: str) -> Iterator[Unit]:
    for line, text in lines:
        if not text:
            continue
        found = _NAMED.fullmatch(text)
        if found is None:
            raise DataError(
                "the line does not begin with a verse such as GEN 1:1",
                where=f"{where}, line {line}",
                fix='name the file that says each line\'s verse with vref = "…"',
            )
        if found[4]:
            yield Unit((f"{found[1]} {found[2]}:{found[3]}",), found[4], f"{where}, line {line}")


def _references(config: VersesConfig, folder: Path, path: Path) -> tuple[Path, str] | None:
    if config.vref is not None:
        return existing_file(folder / Path(config.vref).expanduser(), config.vref), name_in_messages(config.vref)
    beside = (path.parent / "vref.txt", path.parent.parent / "metadata" / "vref.txt")
    found = next((each for each in beside if each.is_file()), None)
    if found is None:
        return None
    return found, str(found.relative_to(folder)) if found.is_relative_to(folder) else str(found)


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="verses",
        summary="verse texts: USFM, USX, and lines with vref.txt, joined by verse",
        config=VersesConfig,
        read=read_verses,
        endings=(".usfm", ".sfm", ".usx"),
    ),
)

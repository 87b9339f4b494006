"""The reader of ELAN's annotated recordings (https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Annotated

from pydantic import Field

from lect import Config, DataError, Example, ReaderSpec
from lect.data.files import Count, LanguageTag, Paths, each_file, left_out
from lect_sources.tiers import Annotation, joined, lineage
from lect_sources.xmlfiles import Element, elements

_LONGEST = 50_000_000
"""The most characters of a tier, which is held as a whole."""


class ElanConfig(Config):
    """Which tiers of annotated recordings to read.

    Args:
        path: a file, a folder (all ``.eaf`` files in it and below), a pattern, or several files; relative to the
            recipe's folder.
        text: the tier of the text, by its name or by its linguistic type, as several speakers have one of each.
        translation: the tier of the translation; None for the text alone.
        language: the language of every row's text, a BCP 47 tag; kept in its canonical form.
        limit: read no more than this many rows.
        reverse: take the translation for the text and the text for its translation.
    """

    path: Paths
    text: Annotated[str, Field(min_length=1)] | None = None
    translation: Annotated[str, Field(min_length=1)] | None = None
    language: LanguageTag | None = None
    limit: Count | None = None
    reverse: bool = False


def read_elan(config: ElanConfig, folder: Path) -> Iterator[Example]:
    """The annotations of the text with those of the translation. Raises `DataError`."""
    files = each_file(config.path, folder, (".eaf",))
    return islice(chain.from_iterable(_rows(config, *file) for file in files), config.limit)


@dataclass(frozen=True)
class _Tier:
    name: str
    type: str
    annotations: list[Annotation]


def _rows(config: ElanConfig, path: Path, where: str) -> Iterator[Example]:
    tiers = _tiers(path, where)
    everything = {each.name: each for tier in tiers for each in tier.annotations}
    texts = _named(config.text, tiers, where, "text")
    if config.translation is None:
        for each in texts:
            if each.text:
                yield Example(each.text, language=config.language, origin=f"{where}, line {each.line}")
        return
    none, left = True, 0
    translations = _named(config.translation, tiers, where, "translation")
    for ours, theirs in joined(texts, translations, everything):
        if not theirs:
            left += len(ours)
            continue
        none = False
        text, translation = (" ".join(each.text for each in side) for side in (ours, theirs))
        if config.reverse:
            text, translation = translation, text
        origin = f"{where}, line {ours[0].line}"
        yield Example(text, translation=translation, language=config.language, origin=origin)
    if none:
        what = f'no annotation of "{config.text}" has one of "{config.translation}"'
        raise DataError(what, where=where, fix=_known(tiers))
    left_out(where, left, "without a translation")


def _tiers(path: Path, where: str) -> list[_Tier]:
    times: dict[str, int | None] = {}
    tiers = []
    for element in elements(path, where, ("ANNOTATION_DOCUMENT",), ("TIME_SLOT", "TIER"), _LONGEST):
        if element.name == "TIME_SLOT":
            value = element.get("TIME_VALUE")
            times[element.get("TIME_SLOT_ID")] = int(value) if value.isdecimal() and len(value) < 16 else None
            continue
        written = [
            _annotation(each, times)
            for annotation in element.children("ANNOTATION")
            for each in annotation.children("ALIGNABLE_ANNOTATION", "REF_ANNOTATION")
        ]
        tiers.append(_Tier(element.get("TIER_ID"), element.get("LINGUISTIC_TYPE_REF"), written))
    if not tiers:
        raise DataError("the file has no tiers", where=where, fix="name a recording that is annotated")
    by_name = {each.name: each for tier in tiers for each in tier.annotations}
    return [replace(tier, annotations=[_timed(each, by_name) for each in tier.annotations]) for tier in tiers]


def _annotation(element: Element, times: dict[str, int | None]) -> Annotation:
    value = element.child("ANNOTATION_VALUE")
    return Annotation(
        name=element.get("ANNOTATION_ID"),
        text=" ".join(value.text().split()) if value is not None else "",
        above=element.get("ANNOTATION_REF"),
        begin=times.get(element.get("TIME_SLOT_REF1")),
        end=times.get(element.get("TIME_SLOT_REF2")),
        line=element.line,
    )


def _timed(annotation: Annotation, by_name: dict[str, Annotation]) -> Annotation:
    """With the time of what it annotates."""
    at = next((at for at in lineage(annotation, by_name) if at.begin is not None), annotation)
    return replace(annotation, begin=at.begin, end=at.end)


def _named(wanted: str | None, tiers: list[_Tier], where: str, option: str) -> list[Annotation]:
    if wanted is None:
        raise DataError("nothing says which tier is the text", where=where, fix=f"{_known(tiers)}: set {option}")
    found = [tier for tier in tiers if tier.name == wanted] or [tier for tier in tiers if tier.type == wanted]
    if not found:
        raise DataError(f'no tier or type "{wanted}"', where=where, fix=f"{_known(tiers)}: set {option} to one of them")
    annotations = [each for tier in found for each in tier.annotations]
    if not any(each.text for each in annotations):
        raise DataError(f'the tier "{wanted}" has no text', where=where, fix=f"{_known(tiers)}: set {option}")
    return annotations


def _known(tiers: list[_Tier]) -> str:
    shown = [f"{tier.name} (type {tier.type}, {len(tier.annotations):,} annotations)" for tier in tiers[:20]]
    return "it has " + ", ".join(shown) + (f" and {len(tiers) - 20} more" if len(tiers) > 20 else "")


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="elan",
        summary="ELAN's annotated recordings (.eaf): two tiers, joined",
        config=ElanConfig,
        read=read_elan,
        endings=(".eaf",),
    ),
)

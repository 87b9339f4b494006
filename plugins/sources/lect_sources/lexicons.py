"""Readers of lexicons: TEI as FreeDict has it (https://freedict.org), and LIFT as FLEx exports it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Annotated

from pydantic import Field

from lect import Config, DataError, Example, ReaderSpec
from lect.data.files import Count, LanguageTag, Paths, each_file, left_out
from lect_sources.xmlfiles import Element, elements

_MOST = 10_000
"""The most rows of one entry."""


class LexiconConfig(Config):
    """Which languages of a lexicon to read.

    Args:
        path: a file, a folder, a pattern, or several files; relative to the recipe's folder. Files may be compressed
            by gzip or zstd.
        text: the language of headwords, as the file names it; by default whatever they are in.
        translation: the language of translations, as the file names it; needed where there are several.
        language: the language of every row's text, a BCP 47 tag; kept in its canonical form.
        limit: read no more than this many rows.
        reverse: take the translation for the text and the headword for its translation.
    """

    path: Paths
    text: Annotated[str, Field(min_length=1)] | None = None
    translation: Annotated[str, Field(min_length=1)] | None = None
    language: LanguageTag | None = None
    limit: Count | None = None
    reverse: bool = False


def read_tei(config: LexiconConfig, folder: Path) -> Iterator[Example]:
    """The headwords of a dictionary in TEI, each translation a row of its own. Raises `DataError`."""
    return _read(config, folder, (".tei", ".xml"), ("TEI", "TEI.2"))


def read_lift(config: LexiconConfig, folder: Path) -> Iterator[Example]:
    """The entries of a lexicon in LIFT, each gloss of each sense a row of its own. Raises `DataError`."""
    return _read(config, folder, (".lift",), ("lift",))


_Side = list[tuple[str, str]]
"""A language and a text, several times."""


def _read(config: LexiconConfig, folder: Path, endings: tuple[str, ...], root: tuple[str, ...]) -> Iterator[Example]:
    files = each_file(config.path, folder, endings)
    return islice(chain.from_iterable(_rows(config, path, where, root) for path, where in files), config.limit)


def _rows(config: LexiconConfig, path: Path, where: str, root: tuple[str, ...]) -> Iterator[Example]:
    none, left = True, 0
    languages: Counter[str] = Counter()
    for entry in elements(path, where, root, ("entry",)):
        heads, translations = _lift(entry) if root == ("lift",) else _tei(entry)
        languages.update(language for language, _ in translations)
        chosen = _chosen(translations, config.translation, f"{where}, line {entry.line}")
        if len(heads) * len(chosen) > _MOST:
            what = f"{len(heads):,} headwords with {len(chosen):,} translations in one entry"
            raise DataError(what, where=f"{where}, line {entry.line}", fix="make entries of them")
        pairs = [(head, other) for head in _of(heads, config.text) for other in chosen]
        left += not pairs
        for number, (head, translation) in enumerate(pairs, start=1):
            none = False
            text, other = (translation, head) if config.reverse else (head, translation)
            origin = f"{where}, line {entry.line}" + (f", translation {number}" if len(pairs) > 1 else "")
            yield Example(text, translation=other, language=config.language, origin=origin)
    if none:
        found = ", ".join(f"{language or 'no language'} ({count})" for language, count in languages.most_common(8))
        raise DataError(
            f"no entry has a headword and a translation (translations: {found or 'none'})",
            where=where,
            fix="set text and translation to languages of it",
        )
    left_out(where, left, "without a headword or translation")


def _chosen(translations: _Side, wanted: str | None, place: str) -> list[str]:
    languages = dict.fromkeys(language for language, _ in translations)
    if wanted is None and len(languages) > 1:
        named = ", ".join(language or '""' for language in languages)
        raise DataError(f"translations in {named}", where=place, fix="set translation to one of them")
    return _of(translations, wanted)


def _of(side: _Side, wanted: str | None) -> list[str]:
    """The texts of a language, each once; those that say no language are of any."""
    texts = (text for language, text in side if wanted is None or language.lower() in ("", wanted.lower()))
    return list(dict.fromkeys(text for text in texts if text))


def _tei(entry: Element) -> tuple[_Side, _Side]:
    heads = [(orth.language or form.language, _bare(orth)) for form, orth in _headwords(entry)]
    translations = [
        (quote.language or cite.language, _bare(quote))
        for cite in _translations(entry)
        for quote in cite.children("quote")
    ]
    # As older dictionaries have it.
    older = [(one.language, _bare(one)) for trans in entry.within("trans") for one in trans.children("tr")]
    if not translations and not older:
        older = [(one.language, _bare(one)) for sense in entry.within("sense") for one in sense.children("def")]
    return heads, [*translations, *older]


def _headwords(element: Element) -> Iterator[tuple[Element, Element]]:
    """Each with the form that it is of; a plural, say, is no headword."""
    for form in element.children("form"):
        if not form.get("type").startswith("infl"):
            yield from ((form, orth) for orth in form.children("orth"))
            yield from _headwords(form)


def _translations(entry: Element) -> Iterator[Element]:
    """Those of the headword, and not of an example."""
    for one in entry.children():
        if one.name == "cit" and one.get("type") in ("trans", "translation"):
            yield one
        elif one.name != "cit":
            yield from _translations(one)


def _lift(entry: Element) -> tuple[_Side, _Side]:
    unit = entry.child("lexical-unit")
    heads = [] if unit is None else [(form.get("lang"), _form(form)) for form in unit.children("form")]
    senses = list(entry.within("sense")) + list(entry.within("subsense"))
    glosses = [(gloss.get("lang"), _form(gloss)) for sense in senses for gloss in sense.children("gloss")]
    if not glosses:
        glosses = [
            (form.get("lang"), _form(form))
            for sense in senses
            for definition in sense.children("definition")
            for form in definition.children("form")
        ]
    return heads, glosses


def _form(form: Element) -> str:
    text = form.child("text")
    return "" if text is None else _bare(text)


def _bare(element: Element) -> str:
    return " ".join(element.text(("note", "annotation", "gramGrp")).split())


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="tei",
        summary="dictionaries in TEI, as FreeDict has them: headwords and translations",
        config=LexiconConfig,
        read=read_tei,
        endings=(".tei",),
    ),
    ReaderSpec(
        name="lift",
        summary="lexicons in LIFT, as FLEx exports them: entries and glosses",
        config=LexiconConfig,
        read=read_lift,
        endings=(".lift",),
    ),
)

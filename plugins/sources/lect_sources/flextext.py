"""The reader of interlinear texts as FieldWorks Language Explorer (FLEx) exports them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lect import Config, DataError, Example, ReaderSpec
from lect.data.files import Count, LanguageTag, Paths, each_file, left_out
from lect_sources.xmlfiles import Element, elements


class FlextextConfig(Config):
    """Which languages of interlinear texts to read.

    Args:
        path: a file, a folder (all ``.flextext`` files in it and below), a pattern, or several files; relative to the
            recipe's folder.
        text: the language of the text, as the file names it; needed where its words are in several.
        translation: the language of the translation, as the file names it; needed where there are several.
        kind: ``free`` or ``literal``: which translation of a phrase.
        language: the language of every row's text, a BCP 47 tag; kept in its canonical form.
        limit: read no more than this many rows.
        reverse: take the translation for the text and the text for its translation.
        untranslated: phrases without a translation are rows of the text alone.
    """

    path: Paths
    text: Annotated[str, Field(min_length=1)] | None = None
    translation: Annotated[str, Field(min_length=1)] | None = None
    kind: Literal["free", "literal"] = "free"
    language: LanguageTag | None = None
    limit: Count | None = None
    reverse: bool = False
    untranslated: bool = False


def read_flextext(config: FlextextConfig, folder: Path) -> Iterator[Example]:
    """The phrases of texts: their baseline, or their words, with their translations. Raises `DataError`."""
    files = each_file(config.path, folder, (".flextext",))
    return islice(chain.from_iterable(_rows(config, *file) for file in files), config.limit)


def _rows(config: FlextextConfig, path: Path, where: str) -> Iterator[Example]:
    kind = "gls" if config.kind == "free" else "lit"
    none, left = True, 0
    languages: Counter[str] = Counter()
    for phrase in elements(path, where, ("document",), ("phrase",)):
        place = f"{where}, line {phrase.line}"
        languages.update(each.get("lang") for each in phrase.children("item") if each.get("type") == kind)
        text = _text(phrase, config.text, place)
        translation = _item(phrase, kind, config.translation, "translation", place)
        if not text or not (translation or config.untranslated):
            left += 1
            continue
        none = False
        if config.reverse and translation:
            text, translation = translation, text
        yield Example(text, translation=translation or None, language=config.language, origin=place)
    if none:
        found = ", ".join(f"{language} ({count})" for language, count in languages.most_common(8)) or "none"
        fix = "set text and translation to languages of it, or untranslated = true"
        raise DataError(f"no phrase has a text and a translation (translations: {found})", where=where, fix=fix)
    left_out(where, left, "without a text or translation")


def _text(phrase: Element, language: str | None, place: str) -> str:
    """The baseline, which newer exports have; else the words, with spaces but before and after punctuation."""
    baseline = _item(phrase, "txt", language, "text", place)
    if baseline:
        return baseline
    pieces: list[str] = []
    glued = True
    for word in (word for words in phrase.children("words") for word in words.children("word")):
        text = _item(word, "txt", language, "text", place)
        mark = "" if text else _item(word, "punct", None, "text", place)
        if text:
            pieces += [text] if glued else [" ", text]
            glued = False
        elif mark and unicodedata.category(mark[0]) in ("Ps", "Pi"):
            pieces += [mark] if glued else [" ", mark]
            glued = True
        else:
            pieces.append(mark)
    return "".join(pieces)


def _item(element: Element, kind: str, language: str | None, option: str, place: str) -> str:
    found = [each for each in element.children("item") if each.get("type") == kind and each.text().strip()]
    if language is not None:
        found = [each for each in found if each.get("lang").lower() == language.lower()]
    languages = dict.fromkeys(each.get("lang") for each in found)
    if len(languages) > 1 and kind != "punct":
        raise DataError(f"{option} in {', '.join(languages)}", where=place, fix=f"set {option} to one of them")
    return " ".join(found[0].text().split()) if found else ""


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="flextext",
        summary="interlinear texts of FLEx (.flextext): phrases and their translations",
        config=FlextextConfig,
        read=read_flextext,
        endings=(".flextext",),
    ),
)

"""Reader of texts with spans: as doccano, Label Studio and prodigy write them, or in brackets as MASSIVE does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lect import DataError, Example
from lect.data.files import FilesConfig, Row, checked_tag, json_rows, say
from lect_heads.schemes import write
from lect_heads.words import Words, split_words

_TEXTS = ("text", "data.text")
_SPANS = ("spans", "entities", "label", "labels", "annotations")
_BRACKETS = re.compile(r"\[\s*([^\s\[\]:]+)\s*:\s*([^\[\]]*?)\s*\]")

Span = tuple[int, int, str]
"""The first character, the one behind the last, and the type."""


class SpansConfig(FilesConfig):
    """Which fields are what.

    Args:
        text: the field of the text; one inside another is written ``data.text``. By default the first there is of
            ``text`` and Label Studio's ``data.text``.
        spans: the field of the spans; by default the first there is of ``spans`` (prodigy), ``entities``, ``label``
            (doccano, Label Studio's short form), ``labels`` and ``annotations`` (Label Studio).
        bracketed: a field with text and spans in one, such as MASSIVE's ``annot_utt``: ``wake me at [time : noon]``.
        key: the field of what the row is about.
    """

    text: str | None = None
    spans: str | None = None
    bracketed: str | None = None
    key: str | None = None


def read_spans(config: SpansConfig, folder: Path) -> Iterator[Example]:
    """The rows of such files, JSON lines or one list, with a tag for each word (BIO). Raises `DataError` with the line.

    A span that ends within a word takes the whole word; of spans that overlap the longer one is taken. Both are
    counted and said, and so are rows that prodigy's annotators did not accept, which are left out.
    """
    count = 0
    for path, where in config.files(folder):
        done: Counter[str] = Counter()
        for row in json_rows(path, where, config.encoding):
            if config.limit is not None and count >= config.limit:
                break
            if row.values.get("answer", "accept") != "accept":
                done["left out"] += 1
                continue
            count += 1
            yield _example(config, row, done)
        if done:
            say(f"{where}: {_told(done)}")


def _told(done: Counter[str]) -> str:
    said = {
        "widened": ("span that ended within a word was widened to it", "spans within words were widened to them"),
        "overlapping": (
            "span over a longer one was left out",
            "spans over longer ones were left out",
        ),
        "empty": ("span without a word was left out", "spans without a word were left out"),
        "left out": ("row that was not accepted was left out", "rows that were not accepted were left out"),
    }
    return "; ".join(f"{done[what]:,} {told[done[what] > 1]}" for what, told in said.items() if done[what])


def _example(config: SpansConfig, row: Row, done: Counter[str]) -> Example:
    spans: list[Span] | None
    if config.bracketed is not None:
        text, spans = _of_brackets(row.value(config.bracketed, "bracketed"))
    else:
        column = config.text or next((name for name in _TEXTS if row.has(name)), _TEXTS[0])
        text = row.value(column, "text")
        spans = _spans(config, row, text)
    if not text.strip():
        raise DataError("the text is empty", where=row.where, fix="fill it in")
    words = _given_words(row) or split_words(text)
    return Example(
        text,
        language=config.language,
        key=row.value(config.key, "key") if config.key is not None else None,
        origin=row.where,
        words=words.words,
        places=words.places,
        tags=None if spans is None else _tags(words, spans, done),
        lacks=None if spans is not None else (("tags", row.where, "the row has no spans"),),
    )


def _of_brackets(written: str) -> tuple[str, list[Span]]:
    text, spans, position = "", [], 0
    for found in _BRACKETS.finditer(written):
        text += written[position : found.start()]
        spans.append((len(text), len(text) + len(found[2]), found[1]))
        text += found[2]
        position = found.end()
    return text + written[position:], spans


def _spans(config: SpansConfig, row: Row, text: str) -> list[Span] | None:
    """The spans of a row; None where it has no field of them."""
    column = config.spans or next((name for name in _SPANS if row.has(name)), None)
    if column is None or not row.has(column):
        return None
    listed = row.get(column, "spans")
    if listed is None:
        return None
    if not isinstance(listed, list):
        raise DataError(f'"{column}" is no list of spans', where=row.where, fix="name their field with spans")
    annotations = [each for each in listed if isinstance(each, dict) and isinstance(each.get("result"), list)]
    if annotations or column == "annotations":
        # Of several annotators the first who did not skip the text.
        taken = next((each for each in annotations if not each.get("was_cancelled")), None)
        if taken is None:
            return None
        listed = [each["value"] for each in taken["result"] if isinstance(each.get("value"), dict)]
        listed = [value for value in listed if "start" in value]
    return [_span(each, text, row.where) for each in listed]


def _span(given: Any, text: str, where: str) -> Span:
    stated = None
    if isinstance(given, list) and len(given) == 3:
        start, end, kind = given
    elif isinstance(given, dict):
        start, end = (given.get(name, given.get(f"{name}_offset")) for name in ("start", "end"))
        kind = given.get("label", given.get("labels", given.get("type")))
        kind = kind[0] if isinstance(kind, list) and len(kind) == 1 else kind
        stated = given.get("text")
    else:
        start, end, kind = None, None, None
    if not isinstance(start, int) or not isinstance(end, int) or not isinstance(kind, str) or not kind.strip():
        fix = "write [start, end, label], or an object with start, end and label"
        raise DataError("a span without start, end and label", where=where, fix=fix)
    if isinstance(stated, str) and text[start:end] != stated:
        # Browsers count characters beyond the first 65,536 twice.
        start, end = (_in_characters(text, offset) for offset in (start, end))
        if text[start:end] != stated:
            raise DataError(f'the span "{stated}" does not stand where it is said to', where=where, fix="correct it")
    if not 0 <= start < end <= len(text):
        raise DataError(f"the span from {start} to {end} is not in the text", where=where, fix="correct it")
    # A type is one word in tags.
    return start, end, checked_tag("_".join(kind.split()), where)


def _in_characters(text: str, units: int) -> int:
    """An offset in UTF-16's units as one in characters."""
    return len(text.encode("utf-16-le")[: 2 * max(units, 0)].decode("utf-16-le", "ignore"))


def _given_words(row: Row) -> Words | None:
    """The words that prodigy cut the text into."""
    tokens = row.values.get("tokens")
    if not isinstance(tokens, list) or not tokens or not all(isinstance(each, Mapping) for each in tokens):
        return None
    try:
        places = [(int(each["start"]), int(each["end"])) for each in tokens]
        return Words(tuple(str(each["text"]) for each in tokens), tuple(places))
    except (KeyError, TypeError, ValueError):
        fix = "give each text, start and end"
        raise DataError('"tokens" holds what is no token', where=row.where, fix=fix) from None


def _tags(words: Words, spans: list[Span], done: Counter[str]) -> tuple[str, ...]:
    found: list[tuple[str, int, int]] = []
    taken: set[int] = set()
    for start, end, kind in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
        own = [index for index, (first, last) in enumerate(words.places) if first < end and last > start]
        if not own:
            done["empty"] += 1
        elif taken & set(own):
            done["overlapping"] += 1
        else:
            taken |= set(own)
            if words.places[own[0]][0] < start or words.places[own[-1]][1] > end:
                done["widened"] += 1
            found.append((kind, own[0], own[-1] + 1))
    return write(sorted(found, key=lambda each: each[1]), len(words.words))

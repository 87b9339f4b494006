"""Reader of treebanks: CoNLL-U, as Universal Dependencies have it (universaldependencies.org/format.html)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lect import Example
from lect.errors import DataError
from lect_heads.readers.files import FilesConfig, blocks, files_of

_ID = re.compile(r"(\d+)(?:([-.])(\d+))?")


class ConlluConfig(FilesConfig):
    """Which sentences and which tags to read.

    Args:
        tags: universal parts of speech, or the treebank's own.
        longest: leave out sentences of more words.
    """

    tags: Literal["upos", "xpos"] = "upos"
    longest: int | None = None


@dataclass(frozen=True)
class _Word:
    form: str
    tag: str
    head: int
    relation: str
    where: str


@dataclass(frozen=True)
class _Surface:
    """A stretch of the text: one word, or several written as one."""

    form: str
    words: int
    space: bool


def read_conllu(config: ConlluConfig, folder: Path) -> Iterator[Example]:
    """The sentences of treebanks, with their trees. Empty nodes are no words. Raises `DataError` with the line."""
    count = 0
    for path, where in files_of(config, folder):
        for block in blocks(path, where):
            example = _sentence(config, block, where)
            if example is None or (config.longest is not None and len(example.words or ()) > config.longest):
                continue
            if config.limit is not None and count >= config.limit:
                return
            count += 1
            yield example


def _sentence(config: ConlluConfig, block: Sequence[tuple[int, str]], where: str) -> Example | None:
    words: list[_Word] = []
    surfaces: list[_Surface] = []
    within = 0
    stated = ""
    for number, line in block:
        place = f"{where}, line {number}"
        if line.startswith("#"):
            stated = line.partition("=")[2].strip() if re.match(r"#\s*text\s*=", line) else stated
            continue
        fields = line.split("\t")
        if len(fields) != 10:
            raise DataError(f"{len(fields)} columns, and CoNLL-U has ten", where=place, fix="put tabs between them")
        kind = _ID.fullmatch(fields[0])
        if kind is None:
            raise DataError(f'"{fields[0]}" is no number of a word', where=place, fix="count words from 1")
        space = "SpaceAfter=No" not in fields[9].split("|")
        if kind[2] == ".":
            continue
        if kind[2] == "-":
            within = int(kind[3])
            surfaces.append(_Surface(fields[1], within - int(kind[1]) + 1, space))
            continue
        if int(kind[1]) != len(words) + 1:
            raise DataError(f"word {kind[1]} where word {len(words) + 1} is due", where=place, fix="number them anew")
        if int(kind[1]) > within:
            surfaces.append(_Surface(fields[1], 1, space))
        words.append(_word(config, fields, place))
    if not words:
        return None
    origin = f"{where}, line {block[0][0]}"
    if sum(each.words for each in surfaces) != len(words):
        raise DataError("a range of words goes past the sentence", where=origin, fix="correct the range")
    text, places = _placed(surfaces, [word.form for word in words], stated)
    tags = tuple(word.tag for word in words)
    has_tree = all(word.head >= 0 for word in words)
    if has_tree:
        _check_tree(words)
    return Example(
        text,
        language=config.language,
        origin=origin,
        words=tuple(word.form for word in words),
        places=places,
        tags=None if "_" in tags else tags,
        heads=tuple(word.head for word in words) if has_tree else None,
        relations=tuple(word.relation for word in words) if has_tree else None,
    )


def _word(config: ConlluConfig, fields: Sequence[str], where: str) -> _Word:
    head = fields[6]
    if head != "_" and not head.isdecimal():
        raise DataError(f'"{head}" is no number of a head', where=where, fix="give the number of a word, or 0")
    tag = fields[3] if config.tags == "upos" else fields[4]
    return _Word(fields[1], tag, -1 if head == "_" else int(head), fields[7], where)


def _placed(surfaces: Sequence[_Surface], forms: Sequence[str], stated: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The text, and where each word stands in it."""
    text = "".join(each.form + (" " if each.space else "") for each in surfaces).rstrip(" ")
    starts = _found(surfaces, stated)
    if starts is not None:
        text = stated
    else:
        starts, position = [], 0
        for each in surfaces:
            starts.append(position)
            position += len(each.form) + each.space
    places: list[tuple[int, int]] = []
    for start, each in zip(starts, surfaces, strict=True):
        own = forms[len(places) : len(places) + each.words]
        places += _shares(each.form, own, start)
    return text, tuple(places)


def _found(surfaces: Sequence[_Surface], stated: str) -> list[int] | None:
    """Where the stretches stand in the stated text, None where they do not."""
    starts, position = [], 0
    for each in surfaces:
        start = stated.find(each.form, position)
        # Nothing but white space is between two stretches.
        if start < 0 or stated[position:start].strip():
            return None
        starts.append(start)
        position = start + len(each.form)
    return None if stated[position:].strip() else starts


def _shares(surface: str, forms: Sequence[str], start: int) -> list[tuple[int, int]]:
    """Where words that are written as one stand in it: each on its own letters where they add up to it.

    Else in proportion to their lengths, so that no two of them have the same place as long as there are letters.
    """
    total = sum(len(form) for form in forms)
    length = len(surface)
    ends, passed = [0], 0
    for form in forms:
        passed += len(form)
        ends.append(passed if total == length else round(length * passed / total))
    places = []
    for first, last in itertools.pairwise(ends):
        first = min(first, length - 1)
        places.append((start + first, start + max(last, first + 1)))
    return places


def _check_tree(words: Sequence[_Word]) -> None:
    for word in words:
        if word.head > len(words):
            raise DataError(f"the head is word {word.head} of {len(words)}", where=word.where, fix="correct the head")
    for number, word in enumerate(words, start=1):
        seen, node = {number}, word.head
        while node:
            if node in seen:
                raise DataError("the heads go round in a circle", where=word.where, fix="correct the heads")
            seen.add(node)
            node = words[node - 1].head

"""Reader of treebanks: CoNLL-U as Universal Dependencies have it (universaldependencies.org/format.html).

Also CoNLL-U Plus, whose first line names its columns (universaldependencies.org/ext-format.html), and CoNLL-X of the
shared tasks of 2006 and 2007: six columns where there is no tree, eight or ten where there is (ilk.uvt.nl/conll).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lect import DataError, Example, nearest
from lect.data.files import FilesConfig, left_out

_COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_SHORT = (6, 8)
"""How many of these columns files of CoNLL-X may have."""
_STATED = re.compile(r"#\s*([^\s=]+)\s*=\s*(.*)")
_ID = re.compile(r"(\d+)(?:([-.])(\d+))?")


class ConlluConfig(FilesConfig):
    """Which sentences and which tags to read.

    Args:
        tags: universal parts of speech, or the treebank's own.
        longest: leave out sentences of more words; how many is said.
        key: the comment that holds the key of a sentence, such as ``sent_id``.
    """

    tags: Literal["upos", "xpos"] = "upos"
    longest: int | None = None
    key: str | None = None


@dataclass(frozen=True)
class _Word:
    form: str
    tag: str
    head: int
    relation: str
    where: str
    number: int


@dataclass(frozen=True)
class _Surface:
    """A stretch of the text: one word, or several written as one."""

    form: str
    words: int
    space: bool


def read_conllu(config: ConlluConfig, folder: Path) -> Iterator[Example]:
    """The sentences of treebanks, with their trees. Empty nodes are no words. Raises `DataError` with the line."""
    count = 0
    for path, where in config.files(folder):
        columns, left = _COLUMNS, 0
        for block in config.blocks(path, where):
            comments = {found[1]: found[2].strip() for _, line in block if (found := _STATED.match(line))}
            if "global.columns" in comments:
                columns = _named_columns(comments["global.columns"], f"{where}, line {block[0][0]}")
            example = _sentence(config, block, where, columns, comments)
            if example is None:
                continue
            if config.longest is not None and len(example.words or ()) > config.longest:
                left += 1
                continue
            if config.limit is not None and count >= config.limit:
                return
            count += 1
            yield example
        left_out(where, left, f"of more than {config.longest} words")


def _named_columns(stated: str, where: str) -> tuple[str, ...]:
    columns = tuple(stated.split())
    if "FORM" not in columns:
        raise DataError("no column is called FORM", where=where, fix="name it in global.columns")
    return columns


def _fields(line: str, columns: Sequence[str], where: str) -> dict[str, str]:
    """The fields of a line by the names of CoNLL-U; ``_`` where the file has no such column."""
    fields = line.split("\t")
    if columns is _COLUMNS and len(fields) in _SHORT:
        fields += ["_"] * (len(columns) - len(fields))
    if len(fields) != len(columns):
        has = "CoNLL-U has ten" if columns is _COLUMNS else f"global.columns names {len(columns)}"
        raise DataError(f"{len(fields)} columns, and {has}", where=where, fix="put tabs between them")
    return {**dict.fromkeys(_COLUMNS, "_"), **dict(zip(columns, fields, strict=True))}


def _sentence(
    config: ConlluConfig,
    block: Sequence[tuple[int, str]],
    where: str,
    columns: Sequence[str],
    comments: Mapping[str, str],
) -> Example | None:
    words: list[_Word] = []
    surfaces: list[_Surface] = []
    within, ranged = 0, ""
    for number, line in block:
        place = f"{where}, line {number}"
        # A form may be # as well, where the file has no column of numbers before it.
        if line.startswith("#") and (columns[0] == "ID" or "\t" not in line):
            continue
        fields = _fields(line, columns, place)
        stated = fields["ID"] if "ID" in columns else str(len(words) + 1)
        kind = _ID.fullmatch(stated)
        if kind is None:
            raise DataError(f'"{stated}" is no number of a word', where=place, fix="count words from 1")
        space = "SpaceAfter=No" not in fields["MISC"].split("|")
        if kind[2] == ".":
            continue
        if kind[2] == "-":
            within, ranged = int(kind[3]), place
            surfaces.append(_Surface(fields["FORM"], within - int(kind[1]) + 1, space))
            continue
        if int(kind[1]) != len(words) + 1:
            raise DataError(f"word {kind[1]} where word {len(words) + 1} is due", where=place, fix="number them anew")
        if int(kind[1]) > within:
            surfaces.append(_Surface(fields["FORM"], 1, space))
        words.append(_word(config, fields, place, number))
    if not words:
        return None
    origin = f"{where}, line {block[0][0]}"
    if sum(each.words for each in surfaces) != len(words):
        raise DataError("a range of words goes past the sentence", where=ranged or origin, fix="correct the range")
    if len(words) > 1 and all(word.form == "_" for word in words):
        raise DataError(
            'every form of the sentence is "_": the treebank is given without its text',
            where=words[0].where,
            fix="put the text in, as the treebank's README says",
        )
    text, places = _placed(surfaces, [word.form for word in words], comments.get("text", ""))
    has_tree = all(word.head >= 0 for word in words)
    if has_tree:
        _check_tree(words)
    if config.key is not None and config.key not in comments:
        raise DataError(f'no comment "{config.key}"', where=origin, fix=nearest(config.key, comments))
    return Example(
        text,
        language=config.language,
        key=comments[config.key] if config.key is not None else None,
        origin=origin,
        words=tuple(word.form for word in words),
        places=places,
        tags=None if any(word.tag == "_" for word in words) else tuple(word.tag for word in words),
        heads=tuple(word.head for word in words) if has_tree else None,
        relations=tuple(word.relation for word in words) if has_tree else None,
        lines=tuple(word.number for word in words),
        lacks=tuple(_lacking(config, words)) or None,
    )


def _lacking(config: ConlluConfig, words: Sequence[_Word]) -> Iterator[tuple[str, str, str]]:
    """What the sentence has no use of, with the first line that says so."""
    untagged = next((word for word in words if word.tag == "_"), None)
    if untagged is not None:
        column = "fourth column (UPOS)" if config.tags == "upos" else "fifth column (XPOS)"
        yield "tags", untagged.where, f'the {column} is "_"'
    headless = next((word for word in words if word.head < 0), None)
    if headless is not None:
        for field in ("heads", "relations"):
            yield field, headless.where, 'the seventh column (HEAD) is "_"'


def _word(config: ConlluConfig, fields: Mapping[str, str], where: str, number: int) -> _Word:
    head = fields["HEAD"]
    if head != "_" and not head.isdecimal():
        raise DataError(f'"{head}" is no number of a head', where=where, fix="give the number of a word, or 0")
    for column in ("FORM", config.tags.upper()):
        if not fields[column].strip():
            raise DataError(f"the column {column} is empty", where=where, fix='fill it in, or write "_"')
    tag = fields[config.tags.upper()]
    return _Word(fields["FORM"], tag, -1 if head == "_" else int(head), fields["DEPREL"], where, number)


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

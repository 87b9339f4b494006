"""Reader of words and tags in columns: one word a line, a blank line between sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pydantic import Field

from lect import DataError, Example, nearest
from lect.data.files import NO_WORD, FilesConfig, checked_tag, join_words, say
from lect_heads.readers.conll_layout import Layout, Line, layout_of
from lect_heads.schemes import entities, is_tag, meant, write

_AHEAD = 50
"""By so many sentences it is found how a file is laid out."""
_LONG = 250
"""A file of one sentence of more words than these seems to lack the blank lines between sentences."""


class ConllConfig(FilesConfig):
    """Which columns are what, and which entities to read.

    Args:
        words: the column of words: its number from 0, from the end where negative, or its name. By default the one
            that is called FORM, or else the first that is no number of the word.
        tags: the column of tags; ``""`` where there is none.
        columns: the columns' names, in order; a line ``# global.columns = …`` names them, too.
        types: the types of entities to read; those of any other type are outside. None for all.
        rename: other names for types.
        spaces: whether a space is between two words of the text.
        comments: what comments begin with, ``""`` where there are none. By default a line that begins with ``#`` is
            one if it says ``# key = value`` or has not as many columns as the others.
        prefix: what stands before every word and is no part of it, such as WikiANN's ``en:``; ``""`` for nothing. By
            default a code and colon that every word has.
        key: the comment that holds the key of a sentence, such as ``sent_id``.
    """

    words: int | str | None = None
    tags: int | str = -1
    columns: list[str] | None = None
    types: list[str] | None = None
    rename: dict[str, str] = Field(default_factory=dict)
    spaces: bool = True
    comments: str | None = None
    prefix: str | None = None
    key: str | None = None


def read_conll(config: ConllConfig, folder: Path) -> Iterator[Example]:
    """The sentences of such files. ``-DOCSTART-`` is none, nor are comments. Raises `DataError`.

    A file of words alone gives sentences without tags.
    """
    count = 0
    for path, where in config.files(folder):
        blocks = config.blocks(path, where)
        ahead = list(islice(blocks, _AHEAD))
        layout = layout_of(ahead, config.comments, config.columns, config.words, config.prefix)
        sentences, longest = 0, 0
        for block in chain(ahead, blocks):
            comments, lines = layout.split(block, where)
            if not lines:
                continue
            if config.limit is not None and count >= config.limit:
                return
            example = _sentence(config, lines, layout, where)
            if config.key is not None:
                example = _keyed(example, config.key, comments)
            sentences, longest, count = sentences + 1, max(longest, len(lines)), count + 1
            yield example
        if not sentences:
            raise DataError("the file has no sentences", where=where)
        if sentences == 1 and longest > _LONG:
            say(f"{where}: {longest:,} words are read as one sentence; put a blank line between sentences")


def _sentence(config: ConllConfig, lines: Sequence[Line], layout: Layout, where: str) -> Example:
    words: list[str] = []
    tags: list[str] = []
    has_tags = config.tags != "" and layout.width != 1
    for line in lines:
        place = f"{where}, line {line.number}"
        if layout.width == 1 and len(line.fields) != 1:
            raise DataError(
                f"{len(line.fields)} columns, and the lines before have one", where=place, fix="add the tags to all"
            )
        if has_tags and len(line.fields) < 2:
            fix = 'add the tag, or say with comments = "#" that it is a comment' if line.is_marked else "add the tag"
            raise DataError("the line has one column, and words and tags are two", where=place, fix=fix)
        word = _field(line.fields, layout.words, layout.names, "words", place)
        word = word.removeprefix(layout.prefix) if word != layout.prefix else word
        words.append(word if word.strip() else NO_WORD)
        if has_tags:
            tags.append(checked_tag(_field(line.fields, config.tags, layout.names, "tags", place), place))
    lacks: tuple[str, str, str] | None = None
    if layout.width == 1:
        lacks = ("tags", f"{where}, line {lines[0].number}", "the line has one column, and words and tags are two")
    elif has_tags and set(tags) == {"_"}:
        lacks = ("tags", f"{where}, line {lines[0].number}", 'the tag is "_"')
    elif has_tags and (config.types is not None or config.rename):
        tags = list(_chosen(config, tags, lines, where))
    text, places = join_words(words, [config.spaces] * len(words))
    return Example(
        text,
        language=config.language,
        origin=f"{where}, line {lines[0].number}",
        words=tuple(words),
        places=places,
        tags=tuple(tags) if has_tags and lacks is None else None,
        lines=tuple(line.number for line in lines),
        lacks=None if lacks is None else (lacks,),
    )


def _keyed(example: Example, key: str, comments: dict[str, str]) -> Example:
    from dataclasses import replace

    if key not in comments:
        raise DataError(f'no comment "{key}"', where=example.origin, fix=nearest(key, comments))
    return replace(example, key=comments[key])


def _chosen(config: ConllConfig, tags: Sequence[str], lines: Sequence[Line], where: str) -> tuple[str, ...]:
    for tag, line in zip(tags, lines, strict=True):
        if not is_tag(tag):
            raise DataError(f'"{tag}" is no tag of an entity', where=f"{where}, line {line.number}", fix=meant(tag))
    named = [(config.rename.get(kind, kind), start, end) for kind, start, end in entities(tags)]
    kept = [each for each in named if config.types is None or each[0] in config.types]
    return write(kept, len(tags))


def _field(fields: Sequence[str], column: int | str, names: Sequence[str] | None, option: str, where: str) -> str:
    index: Any = column
    if isinstance(column, str):
        if column not in (names or ()):
            known = nearest(column, names or ()) if names else 'name the columns with columns = ["…"]'
            raise DataError(f'no column is called "{column}"', where=where, fix=known)
        index = list(names or ()).index(column)
    try:
        return fields[index]
    except IndexError:
        raise DataError(
            f"{len(fields)} columns, and {option} should be column {index}", where=where, fix=f"set {option}"
        ) from None

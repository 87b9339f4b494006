"""Reader of words and tags in columns: one word a line, a blank line between sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from lect import Example
from lect.errors import DataError, nearest
from lect_heads.readers.files import FilesConfig, blocks, files_of, joined
from lect_heads.schemes import entities, write

_COMMENT = re.compile(r"#\s*(\S+)\s*=(.*)|#\s+new(doc|par)\b")


class ConllConfig(FilesConfig):
    """Which columns are what, and which entities to read.

    Args:
        words: the column of words: its number from 0, from the end where negative, or its name.
        tags: the column of tags.
        columns: the columns' names, in order; a line ``# global.columns = …`` names them, too.
        types: the types of entities to read; those of any other type are outside. None for all.
        rename: other names for types.
        spaces: whether a space is between two words of the text.
    """

    words: int | str = 0
    tags: int | str = -1
    columns: list[str] | None = None
    types: list[str] | None = None
    rename: dict[str, str] = Field(default_factory=dict)
    spaces: bool = True


def read_conll(config: ConllConfig, folder: Path) -> Iterator[Example]:
    """The sentences of such files. ``-DOCSTART-`` is none, nor are comments. Raises `DataError`."""
    count = 0
    for path, where in files_of(config, folder):
        names, some = config.columns, False
        for block in blocks(path, where):
            tabs = any("\t" in line for _, line in block)
            comments = [line for _, line in block if _is_comment(line, tabs)]
            tokens = [(number, line) for number, line in block if not _is_comment(line, tabs)]
            for line in comments:
                found = _COMMENT.match(line)
                if found and found[1] == "global.columns":
                    names = (found[2] or "").split()
            tokens = [each for each in tokens if not each[1].startswith("-DOCSTART-")]
            if not tokens:
                continue
            if config.limit is not None and count >= config.limit:
                return
            count, some = count + 1, True
            yield _sentence(config, tokens, names, where)
        if not some:
            raise DataError("the file has no sentences", where=where)


def _sentence(config: ConllConfig, tokens: Sequence[tuple[int, str]], names: list[str] | None, where: str) -> Example:
    origin = f"{where}, line {tokens[0][0]}"
    words, tags = [], []
    for number, line in tokens:
        fields = line.split("\t") if "\t" in line else line.split()
        place = f"{where}, line {number}"
        if len(fields) < 2:
            raise DataError("the line has one column, and words and tags are two", where=place, fix="add the tag")
        # A word of nothing but white space, as tweets have them, is kept as the sign for a character that is not known.
        words.append(_field(fields, config.words, names, "words", place).strip() or "\ufffd")
        tags.append(_field(fields, config.tags, names, "tags", place).strip())
    if config.types is not None or config.rename:
        tags = list(_chosen(config, tags))
    text, places = joined(words, [config.spaces] * len(words))
    return Example(text, language=config.language, origin=origin, words=tuple(words), places=places, tags=tuple(tags))


def _chosen(config: ConllConfig, tags: Sequence[str]) -> tuple[str, ...]:
    named = [(config.rename.get(kind, kind), start, end) for kind, start, end in entities(tags)]
    kept = [each for each in named if config.types is None or each[0] in config.types]
    return write(kept, len(tags))


def _is_comment(line: str, tabs: bool) -> bool:
    """Whether a line is one; those of words may begin with # as well.

    Args:
        tabs: whether tabs stand between columns.
    """
    if not line.startswith("#") or "\t" in line:
        return False
    return tabs or bool(_COMMENT.match(line)) or len(line.split()) == 1


def _field(fields: Sequence[str], column: int | str, names: list[str] | None, option: str, where: str) -> str:
    index = column
    if isinstance(column, str):
        if column not in (names or ()):
            known = nearest(column, names or ()) if names else 'name the columns with columns = ["…"]'
            raise DataError(f'no column is called "{column}"', where=where, fix=known)
        index = (names or []).index(column)
    try:
        return fields[int(index)]
    except IndexError:
        raise DataError(
            f"{len(fields)} columns, and {option} should be column {index}", where=where, fix=f"set {option}"
        ) from None

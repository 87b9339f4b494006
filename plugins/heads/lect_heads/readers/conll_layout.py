"""How a file of words in columns is laid out: its columns, what is a comment in it, what stands before every word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Block = Sequence[tuple[int, str]]
"""Lines between blank ones, with their numbers."""

_SPACES = re.compile(r"[ \t]+")
_STATED = re.compile(r"#\s+(\S+?)\s*=(?:\s+(.*))?$|#\s+new(?:doc|par)\b|#(?:begin|end) document\b")
_PREFIX = re.compile(r"[a-z]{2,12}(?:-[a-z]{2,12}){0,2}:")


@dataclass(frozen=True)
class Line:
    """The line of a word.

    Args:
        is_marked: whether it begins as a comment might.
    """

    number: int
    fields: Sequence[str]
    is_marked: bool


@dataclass
class Layout:
    """How a file is laid out.

    Args:
        width: how many columns it has.
        comments: what comments begin with; None for what looks like one.
        names: the columns' names, where they are known.
        words: the column of words.
        prefix: what stands before every word and is no part of it.
    """

    width: int
    comments: str | None
    names: Sequence[str] | None
    words: int | str = 0
    prefix: str = ""

    def split(self, block: Block, where: str) -> tuple[dict[str, str], list[Line]]:
        """What a block's comments say, by name, and the lines of its words.

        Only tabs and spaces stand between columns: any other white space is part of a word.
        """
        tabs = any("\t" in line for _, line in block)
        said: dict[str, str] = {}
        lines: list[Line] = []
        for number, line in block:
            if self._is_comment(line, tabs, bool(lines)):
                found = _STATED.match(line)
                if found and found[1]:
                    said[found[1]] = (found[2] or "").strip()
                continue
            if not line.startswith("-DOCSTART-"):
                lines.append(Line(number, columns_of(line, tabs), line.startswith("#")))
        return said, lines

    def _is_comment(self, line: str, tabs: bool, inside: bool) -> bool:
        """Whether a line is one; those of words may begin with # as well.

        Args:
            inside: whether words of the sentence stand before it.
        """
        if self.comments is not None:
            return bool(self.comments) and line.startswith(self.comments)
        if not line.startswith("#"):
            return False
        if not inside and _STATED.match(line):
            return True
        if len(columns_of(line, tabs)) == self.width:
            return False
        bare = line.strip("# \t")
        return not bare or line[1:2].isspace() or (len(line.split()) > 1 and not inside)


def layout_of(
    blocks: Sequence[Block],
    comments: str | None,
    names: Sequence[str] | None,
    words: int | str | None,
    prefix: str | None,
) -> Layout:
    """The layout of a file that begins with these blocks; what is given is taken as it is."""
    split = [(line, columns_of(line, tabs)) for block in blocks for tabs in [_has_tabs(block)] for _, line in block]
    words_alone = [fields for line, fields in split if not line.startswith(("#", "-DOCSTART-"))]
    counts = Counter(map(len, words_alone or [fields for _, fields in split]))
    # A file of words and tags of which some line lacks its tag is none of words alone.
    width = counts.most_common(1)[0][0] if counts else 0
    if width == 1 and len(counts) > 1:
        width = max(counts)
    for line, _ in split:
        found = _STATED.match(line)
        if names is None and found and found[1] == "global.columns":
            names = (found[2] or "").split()
    layout = Layout(width, comments, names)
    sentences = [lines for block in blocks if (lines := layout.split(block, "")[1])]
    layout.words = _column_of_words(sentences, names, width) if words is None else words
    layout.prefix = _common_prefix(sentences, layout) if prefix is None else prefix
    return layout


def columns_of(line: str, tabs: bool) -> list[str]:
    """The fields of a line.

    Args:
        tabs: whether tabs stand between columns, and spaces may be part of a word.
    """
    if tabs:
        return [field.strip(" ") for field in line.split("\t")]
    return _SPACES.split(line.strip(" \t"))


def _has_tabs(block: Block) -> bool:
    return any("\t" in line for _, line in block)


def _column_of_words(sentences: Sequence[Sequence[Line]], names: Sequence[str] | None, width: int) -> int | str:
    """The column called FORM; the second where the first numbers the words; the first."""
    if names and "FORM" in names:
        return "FORM"
    numbered = all(
        [line.fields[0] for line in lines] == [str(number) for number in range(1, len(lines) + 1)]
        for lines in sentences
    )
    return 1 if width > 2 and numbered and any(len(lines) > 1 for lines in sentences) else 0


def _common_prefix(sentences: Sequence[Sequence[Line]], layout: Layout) -> str:
    """A code and colon that every word begins with, as in WikiANN; there must be several words to tell by."""
    column = layout.words if isinstance(layout.words, int) else list(layout.names or ()).index(layout.words)
    words = [line.fields[column] for lines in sentences for line in lines if len(line.fields) > column]
    found = {match[0] if (match := _PREFIX.match(word)) else "" for word in words}
    return found.pop() if len(found) == 1 and len(words) > 2 else ""

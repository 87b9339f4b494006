"""How a tokenizer cuts a language's text: the figures that say whether it needs new pieces."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

_BATCH = 512


@dataclass(frozen=True)
class Fertility:
    """Counts over one text, or over its words of one script.

    Args:
        words: what stands between spaces.
        size: bytes of the words in UTF-8.
        unknown: pieces that stand for something the tokenizer does not know.
        single: pieces of one character, or of less: a byte.
    """

    words: int
    size: int
    pieces: int
    unknown: int
    single: int

    @property
    def unknown_share(self) -> float:
        """Unknown pieces among all, 0 to 1."""
        return self.unknown / max(1, self.pieces)

    @property
    def pieces_per_word(self) -> float:
        """The mean number of pieces that a word is cut into."""
        return self.pieces / max(1, self.words)

    @property
    def bytes_per_piece(self) -> float:
        """The mean number of bytes that a piece stands for."""
        return self.size / max(1, self.pieces)

    @property
    def single_share(self) -> float:
        """Pieces of one character or less among all, 0 to 1."""
        return self.single / max(1, self.pieces)

    def to_dict(self) -> dict[str, Any]:
        """The counts and what is made of them."""
        rates = ("unknown_share", "pieces_per_word", "bytes_per_piece", "single_share")
        return {**asdict(self), **{name: round(getattr(self, name), 4) for name in rates}}


@dataclass(frozen=True)
class TextReport:
    """How one text is cut.

    Args:
        name: what the text is called.
        scripts: the same by the script of each word, the one with the most words first.
    """

    name: str
    lines: int
    whole: Fertility
    scripts: dict[str, Fertility] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        scripts = {script: cut.to_dict() for script, cut in self.scripts.items()}
        return {"name": self.name, "lines": self.lines, **self.whole.to_dict(), "scripts": scripts}


def report_on(name: str, texts: Sequence[str], tokenizer: Any, unknown: int | None) -> TextReport:
    """How a tokenizer cuts these texts.

    Args:
        tokenizer: a `tokenizers.Tokenizer` that neither shortens nor pads.
        unknown: the id of its piece for what it does not know; None where it has none.
    """
    counts: dict[str, Counter[str]] = {}
    for start in range(0, len(texts), _BATCH):
        batch = list(texts[start : start + _BATCH])
        for text, encoding in zip(batch, tokenizer.encode_batch(batch, add_special_tokens=False), strict=True):
            _count(text, encoding, unknown, counts)
    fertilities = {script: _fertility(count) for script, count in counts.items()}
    ranked = dict(sorted(fertilities.items(), key=lambda entry: (-entry[1].words, entry[0])))
    total: Counter[str] = Counter()
    for count in counts.values():
        total.update(count)
    return TextReport(name, len(texts), _fertility(total), ranked)


def script_of(word: str) -> str:
    """The script of most letters of a word, as Unicode names it (Latin, Nko, Cjk); "no letters" where it has none."""
    scripts = Counter(_script(character) for character in word if character.isalpha())
    if not scripts:
        return "no letters"
    return min(scripts, key=lambda script: (-scripts[script], script))


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    return unicodedata.name(character, "unnamed").split(" ", 1)[0].split("-", 1)[0].capitalize()


def _count(text: str, encoding: Any, unknown: int | None, counts: dict[str, Counter[str]]) -> None:
    if not text:
        return
    owners: list[str] = ["no letters"] * len(text)
    for start, end in _words(text):
        script = script_of(text[start:end])
        counts.setdefault(script, Counter()).update(words=1, size=len(text[start:end].encode("utf-8", "replace")))
        owners[start:end] = [script] * (end - start)
    for index, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        # A piece for the space before a word, or with it, is that word's.
        while start < len(text) and text[start].isspace():
            start += 1
        count = counts.setdefault(owners[min(start, len(text) - 1)], Counter())
        count["pieces"] += 1
        count["unknown"] += index == unknown
        count["single"] += index != unknown and end - start <= 1


def _words(text: str) -> Iterator[tuple[int, int]]:
    start = None
    for place, character in enumerate(text):
        if character.isspace():
            if start is not None:
                yield start, place
            start = None
        elif start is None:
            start = place
    if start is not None:
        yield start, len(text)


def _fertility(count: Counter[str]) -> Fertility:
    return Fertility(count["words"], count["size"], count["pieces"], count["unknown"], count["single"])

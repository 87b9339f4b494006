"""What there is in a source of examples, in one pass: rows, lengths, scripts, tokens, what cleaning would do."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lect.data.cleaning import Cleaning, Counts, clean
from lect.data.dictionary import Dictionary
from lect.data.examples import Example
from lect.data.scripts import count_scripts

_TEXTS_AT_ONCE = 256
_SHOWN = 3

Tokenize = Callable[[Sequence[str]], Sequence[Sequence[int]]]
"""Cuts texts into tokens, by their ids, without special ones."""


@dataclass
class Tokens:
    """How a backbone's tokenizer takes the texts.

    Args:
        tokens: in all.
        unknown: those of them that stand for what the tokenizer does not know.
        words: stretches between spaces.
        bytes: of the texts, in UTF-8.
        per_word: of each text with a word, in order.
    """

    tokens: int = 0
    unknown: int = 0
    words: int = 0
    bytes: int = 0
    per_word: array[float] = field(default_factory=lambda: array("f"))

    @property
    def unknown_share(self) -> float:
        """The share of unknown tokens."""
        return self.unknown / self.tokens if self.tokens else 0.0

    @property
    def tokens_per_word(self) -> float:
        """The tokens of a word, on average."""
        return self.tokens / self.words if self.words else 0.0

    @property
    def bytes_per_token(self) -> float:
        """The bytes of a token, on average."""
        return self.bytes / self.tokens if self.tokens else 0.0


@dataclass
class Inspection:
    """What there is in a source.

    Args:
        source: as messages call it.
        lengths: of the texts, in characters, in order.
        scripts: letters of the texts, by the script's ISO 15924 code.
        filled: rows that have a field, by its name.
        labels: rows by label.
        tokens: None without a tokenizer.
        cleaning: what cleaning would find.
        dictionary: where every row has a translation and most texts are of one word or two.
        shown: the first rows.
    """

    source: str
    rows: int = 0
    words: int = 0
    bytes: int = 0
    lengths: array[int] = field(default_factory=lambda: array("L"))
    scripts: Counter[str] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    tokens: Tokens | None = None
    cleaning: Counts = field(default_factory=Counts)
    dictionary: Dictionary | None = None
    shown: list[Example] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The end of the source's name, which tells it from others."""
        named = (self.source.partition(": ")[2] or self.source).partition(", ")[0]
        return "/".join(Path(named).parts[-2:])

    def length_at(self, share: float) -> int:
        """The length that so many of the texts do not pass, in characters; 0 without texts."""
        ordered = sorted(self.lengths)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0

    def script_shares(self) -> list[tuple[str, float]]:
        """The scripts by their share of letters, the largest first."""
        total = sum(self.scripts.values())
        return [(script, count / total) for script, count in self.scripts.most_common()]

    def as_dict(self) -> dict[str, Any]:
        """The same for a program."""
        lengths = {name: self.length_at(share) for name, share in _QUANTILES.items()}
        found: dict[str, Any] = {
            "source": self.source,
            "rows": self.rows,
            "characters": sum(self.lengths),
            "bytes": self.bytes,
            "words": self.words,
            "lengths": lengths,
            "scripts": {script: round(share, 6) for script, share in self.script_shares()},
            "fields": dict(self.filled),
            "labels": dict(self.labels.most_common()),
            "cleaning": self.cleaning.as_dict(),
            "examples": [{"text": row.text, "translation": row.translation, "label": row.label} for row in self.shown],
        }
        if self.dictionary is not None:
            found["dictionary"] = str(self.dictionary.counts)
        if self.tokens is not None:
            found["pieces"] = {
                "pieces": self.tokens.tokens,
                "unknown_share": round(self.tokens.unknown_share, 6),
                "pieces_per_word": round(self.tokens.tokens_per_word, 4),
                "bytes_per_piece": round(self.tokens.bytes_per_token, 4),
            }
        return found


_QUANTILES = {"shortest": 0.0, "median": 0.5, "95%": 0.95, "longest": 1.0}


def inspect_examples(
    source: str,
    examples: Iterable[Example],
    cleaning: Cleaning,
    tokenize: Tokenize | None = None,
    unknown: int | None = None,
) -> Inspection:
    """One pass over the examples; of their texts nothing is kept but the first ones.

    Args:
        source: how messages call it.
        tokenize: the backbone's tokenizer.
        unknown: the id of its unknown token; None where it has none.
    """
    found = Inspection(source, tokens=None if tokenize is None else Tokens())
    pairs: list[Example] = []
    seen = _seen(examples, found, tokenize, unknown)
    for _ in clean(_with_pairs(seen, pairs), cleaning, found.cleaning):
        pass
    if found.rows and found.filled["translation"] == found.rows and found.words <= 2 * found.rows:
        found.dictionary = Dictionary.of(pairs)
    return found


def _seen(
    examples: Iterable[Example], found: Inspection, tokenize: Tokenize | None, unknown: int | None
) -> Iterator[Example]:
    waiting: list[str] = []
    for example in examples:
        text = example.text
        found.rows += 1
        found.words += len(text.split())
        found.bytes += len(text.encode("utf-8", "surrogatepass"))
        found.lengths.append(len(text))
        count_scripts(text, found.scripts)
        found.filled.update(name for name in ("translation", "text_pair", "label", "key") if getattr(example, name))
        if example.label is not None:
            found.labels[example.label] += 1
        if len(found.shown) < _SHOWN:
            found.shown.append(example)
        if tokenize is not None:
            waiting.append(text)
            if len(waiting) == _TEXTS_AT_ONCE:
                _tokenize_texts(waiting, found, tokenize, unknown)
        yield example
    if tokenize is not None:
        _tokenize_texts(waiting, found, tokenize, unknown)


def _with_pairs(examples: Iterable[Example], pairs: list[Example]) -> Iterator[Example]:
    """The examples, as long as they look like a dictionary's kept in `pairs`."""
    keeping = True
    for example in examples:
        keeping = keeping and example.translation is not None and (len(pairs) < 100_000 and len(example.text) < 200)
        if keeping:
            pairs.append(example)
        else:
            pairs.clear()
        yield example


def _tokenize_texts(texts: list[str], found: Inspection, tokenize: Tokenize, unknown: int | None) -> None:
    assert found.tokens is not None
    tokens = found.tokens
    for text, ids in zip(texts, tokenize(texts) if texts else (), strict=True):
        words = len(text.split())
        tokens.tokens += len(ids)
        tokens.unknown += sum(1 for one in ids if one == unknown)
        tokens.words += words
        tokens.bytes += len(text.encode("utf-8", "surrogatepass"))
        if words:
            tokens.per_word.append(len(ids) / words)
    texts.clear()

"""What the columns of a table hold: texts, labels, tags, keys, languages; by their names, and by what is in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lect.languages.tags import is_tag

_TEXTS = (
    "text sentence sentence1 premise tweet content review comment body message utterance document query question "
    "title headline abstract post input source src original teks texte texto testo satz zin tekst maandishi "
    "matini kalimat"
)
TEXTS = tuple(_TEXTS.split())
SECOND = ["text_pair", "sentence2", "hypothesis", "text2", "text_b", "pair", "response", "answer", "passage", "context"]
TRANSLATIONS = ["translation", "target", "tgt", "reference", "translated", "english", "indonesian", "french"]
_LABELS = (
    "label labels category class classes sentiment topic intent emotion stance polarity gold target y tag genre "
    "mood score rating stars etiqueta etikett stimmung lebo lebel kategori kategorie categorie"
)
LABELS = tuple(_LABELS.split())
KEYS = ["id", "key", "index", "index_id", "guid", "uuid", "sent_id", "sentence_id", "doc_id", "idx", "nr", "no"]
LANGUAGES = ["language", "lang", "locale", "iso", "iso639", "language_code", "lang_code"]
SEVERAL = "|"
_MOST_LABELS = 50
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are, by name; None where there is none.

    Args:
        names: of all.
        texts: those that hold texts, the most likely first.
        label, key, language: one of each.
        labels: what the label column holds, by count.
        words, tags: lists of words, and of a tag for each.
        is_several: whether a row may have several labels, with a bar between them.
        is_number: whether the label is a number that has no classes.
    """

    names: tuple[str, ...]
    texts: tuple[str, ...]
    label: str | None = None
    key: str | None = None
    language: str | None = None
    labels: tuple[tuple[str, int], ...] = ()
    words: str | None = None
    tags: str | None = None
    is_several: bool = False
    is_number: bool = False


def columns_of(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Columns:
    """What each column is.

    Args:
        rows: some of the table's, by column.
    """
    words, tags = _lists(names, rows)
    held = {name: [text for row in rows if (text := _text(row.get(name))) is not None] for name in names}
    held = {name: texts for name, texts in held.items() if any(text.strip() for text in texts)}
    key = _key(held)
    language = next((name for name in held if _bare(name) in LANGUAGES and _few(held[name], 12)), None)
    label = _label({name: texts for name, texts in held.items() if name not in (key, language)})
    rest = [name for name in held if name not in (key, language, label)]
    texts = _texts({name: held[name] for name in rest if not _is_index(name, held[name])})
    counts = Counter(text.strip() for text in held.get(label or "", ()) if text.strip())
    is_several = bool(label) and any(SEVERAL in each for each in counts)
    numbers = bool(counts) and all(_NUMBER.fullmatch(each) for each in counts)
    is_number = numbers and (len(counts) > 12 or any("." in each for each in counts))
    return Columns(
        tuple(names), texts, label, key, language, tuple(counts.most_common()), words, tags, is_several, is_number
    )


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or value is None:
        return None
    return str(value) if isinstance(value, str | int | float) else None


def _bare(name: str) -> str:
    # Of a field inside another its own name.
    return re.sub(r"[\s-]+", "_", (name.rpartition(".")[2] or name).strip().casefold())


def _few(texts: Sequence[str], most: int) -> bool:
    return max(map(len, texts), default=0) <= most


def _key(held: Mapping[str, Sequence[str]]) -> str | None:
    # Beside columns that are called by languages, "id" is Indonesian and "no" Norwegian.
    languages = [name for name in held if len(_bare(name)) == 2 and is_tag(_bare(name))]
    named = [name for name in held if _bare(name) in KEYS and not (name in languages and len(languages) > 1)]
    # A key is a code, and no text.
    named = [name for name in named if sum(" " in text.strip() for text in held[name]) <= 0.5 * len(held[name])]
    return next((name for name in named if _few(held[name], 80)), None)


def _is_index(name: str, texts: Sequence[str]) -> bool:
    """Whether a column only counts the rows, or is of numbers or codes without spaces."""
    return not name.strip() or (len(texts) > 3 and all(_NUMBER.fullmatch(text.strip() or "0") for text in texts))


def _label(held: Mapping[str, Sequence[str]]) -> str | None:
    """The column of labels: named so, or of few values that come again and again."""
    named = [name for name in held if name.strip() and _bare(name) in LABELS and _is_label(held[name], named=True)]
    if named:
        return min(named, key=lambda name: LABELS.index(_bare(name)))
    if len(held) < 2:
        return None
    others = [name for name in held if name.strip() and _bare(name) not in TEXTS and _is_label(held[name], named=False)]
    # The last one, as most tables have their answers behind what is asked.
    return others[-1] if others else None


def _is_label(texts: Sequence[str], *, named: bool) -> bool:
    distinct = {text.strip() for text in texts if text.strip()}
    if len(distinct) < 2 or not texts:
        return False
    if named and all(_NUMBER.fullmatch(each) for each in distinct):
        return True
    short = _few(sorted(distinct), 60) and sum(len(each.split()) for each in distinct) <= 4 * len(distinct)
    return short and len(distinct) <= (0.5 * len(texts) if named else min(_MOST_LABELS, 0.2 * len(texts)))


def _texts(held: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The columns of texts: those named so first, then the longer ones; what is no text at all is left out."""
    long = {name: sum(map(len, texts)) / len(texts) for name, texts in held.items()}
    most = max(long.values(), default=0.0)

    def place(name: str) -> int:
        order = [*TEXTS, *SECOND]
        return order.index(_bare(name)) if _bare(name) in order else len(order)

    wordy = [
        name
        for name, texts in held.items()
        if _bare(name) in (*TEXTS, *SECOND, *TRANSLATIONS)
        or (long[name] >= 0.2 * most and len(set(texts)) > 0.3 * len(texts))
    ]
    return tuple(sorted(wordy, key=place))


def _lists(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> tuple[str | None, str | None]:
    """The columns of words and of tags: two lists of one length in every row."""
    lists = [name for name in names if rows and all(isinstance(row.get(name), list) and row[name] for row in rows)]
    words = next((name for name in lists if all(isinstance(each, str) for row in rows for each in row[name])), None)
    named = [name for name in lists if _bare(name) in ("tokens", "words")]
    words = named[0] if named else words
    if words is None:
        return None, None
    fits = [name for name in lists if name != words and all(len(row[name]) == len(row[words]) for row in rows)]
    fits.sort(key=lambda name: "tag" not in _bare(name))
    return (words, fits[0]) if fits else (None, None)

"""Messages of programs as rows: which are taken, and how placeholders, markup and keys of menus are read."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lect import Config, DataError, Example
from lect.data.files import Count, LanguageTag, Paths, left_out

Accelerators = Annotated[str, Field(pattern=r"^[&_~^]{0,4}$")]
"""Characters that stand before the letter that is a key in a menu."""
State = Literal["", "fuzzy", "obsolete", "not to be translated"]

_TAKES = {
    "fuzzy": "fuzzy = true",
    "obsolete": "obsolete = true",
    "translated by themselves": "identical = true",
    "untranslated": "reverse = true and untranslated = true",
}
"""What takes messages that are left out."""


class MessagesConfig(Config):
    """Which side of messages is the text, and which are taken.

    Args:
        language: the language of every row's text, a BCP 47 tag; kept in its canonical form.
        limit: read no more than this many rows.
        reverse: take the source for the text and the translation for its translation.
        untranslated: with `reverse`, messages without a translation are rows of the source alone.
        identical: take messages whose translation is the source itself, too.
        markup: leave tags and character references in messages as they stand.
        accelerators: the characters before the letter that is a key in a menu; "" where there are none.
    """

    language: LanguageTag | None = None
    limit: Count | None = None
    reverse: bool = False
    untranslated: bool = False
    identical: bool = False
    markup: bool = False
    accelerators: Accelerators = ""

    @model_validator(mode="after")
    def _sources_alone(self) -> MessagesConfig:
        if self.untranslated and not self.reverse:
            # Such a row's text would not be of the translation's language.
            raise ValueError("untranslated gives rows of the source alone: set reverse = true, too")
        return self


class CatalogueConfig(MessagesConfig):
    """As `MessagesConfig`, of files that hold both sides.

    Args:
        path: a file, a folder (all files in it and below whose endings fit), a pattern such as ``po/*.po``, or several
            of them; relative to the recipe's folder. Files may be compressed by gzip or zstd.
        fuzzy: take messages that wait to be looked at, too.
        obsolete: take messages that the program no longer has, too.
    """

    path: Paths
    fuzzy: bool = False
    obsolete: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A message and its translation.

    Args:
        translation: "" where there is none.
        place: where it stands, such as ``fr.po, line 7``.
        state: what it is left out for, where it is.
        key: what forms of one message share.
    """

    source: str
    translation: str
    place: str
    state: State = ""
    key: str | None = None


def forms(pairs: Iterable[tuple[str, str]], place: str, state: State = "", key: str | None = None) -> Iterator[Message]:
    """A message in several forms of number, each pair of forms once."""
    different = list(dict.fromkeys(pairs))
    key = key or next((source for source, _ in different), None)
    for number, (source, translation) in enumerate(different, start=1):
        yield Message(source, translation, f"{place}, form {number}" if len(different) > 1 else place, state, key)


def by_category(source: Mapping[str, str], translation: Mapping[str, str]) -> list[tuple[str, str]]:
    """Forms by CLDR's categories of number: each of the translation with the source's of that name, or its last."""
    last = next(reversed(source.values()), "")
    return [(source.get(category, source.get("other", last)), form) for category, form in translation.items()]


def rows(config: MessagesConfig, messages: Iterable[Message], where: str) -> Iterator[Example]:
    """The messages that are taken, as examples; how many are left out is said.

    Raises:
        DataError: none is.
    """
    left: Counter[str] = Counter()
    empty = True
    for message in messages:
        example, reason = _row(config, message)
        if example is None:
            left[reason] += 1
            continue
        empty = False
        yield example
    counts = ", ".join(f"{count:,} {reason}" for reason, count in left.items())
    if empty:
        takes = [f"set {_TAKES[reason]}" for reason in left if reason in _TAKES]
        what = "no message with a translation" + (f" ({counts})" if counts else "")
        raise DataError(what, where=where, fix=" or ".join(["name a translated file", *takes]))
    left_out(where, left.total(), f"({counts})")


def _row(config: MessagesConfig, message: Message) -> tuple[Example | None, str]:
    if message.state and not getattr(config, message.state, False):
        return None, message.state
    alone = not message.translation.strip()
    if alone and not config.untranslated:
        return None, "untranslated"
    for side in (message.source, message.translation):
        _check(side, message.place)
    source = _read(message.source, message.translation, config)
    translation = _read(message.translation, message.source, config)
    if not has_words(source) or not (alone or has_words(translation)):
        return None, "without words"
    if source == translation and not config.identical:
        return None, "translated by themselves"
    text, other = (source, translation) if config.reverse else (translation, source)
    row = Example(text, translation=other or None, language=config.language, key=message.key, origin=message.place)
    return row, ""


def _check(text: str, place: str) -> None:
    """Escapes can write what no text holds."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DataError("the message holds half of a surrogate pair", where=place, fix="correct the escape") from None
    if "\0" in text:
        raise DataError("the message holds a NUL, which no text holds", where=place, fix="take it out")


def has_words(message: str) -> bool:
    """Whether there is a letter in it beside placeholders."""
    return any(character.isalpha() for character in _PLACEHOLDER.sub("", message))


_PLACEHOLDER = re.compile(
    r"""\$\{[^{}]*\} | %\{[^{}]*\} | %\#?@\w{1,80}@ | \{\{?[^{}]*\}\}? | %L?\d{1,3}(?![\d$]) | %n\b | %%
      | %(?:\d{1,3}\$)?(?:\([^()\s]{1,80}\))?[-+\#0]{0,5}(?:\d{1,4}|\*)?(?:\.(?:\d{1,4}|\*))?
        (?:hh|h|ll|l|L|q|j|z|t)?[@A-Za-z] """,
    re.VERBOSE,
)
"""What programs fill in: of C, Python, Java, Qt, Objective-C, JavaScript."""
_BREAKING = "br|p|li|ul|ol|div|h[1-6]|tr|td|table|hr|body|html|head"
_INLINE = (
    "a|abbr|b|big|bdi|bdo|cite|code|del|dfn|em|font|i|img|ins|kbd|mark|nobr|q|s|samp|small|span|strike|strong|sub|"
    "sup|tt|u|var|wbr"
)
_TAG = re.compile(
    rf"<(?:/?(?:(?P<breaking>{_BREAKING})|{_INLINE}|link|meta|\d{{1,3}})(?:\s[^<>]*)?/?)>",
    re.IGNORECASE,
)
"""Tags of HTML and those with a number, as React has them: "cp <file>" has none."""
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def _read(message: str, other: str, config: MessagesConfig) -> str:
    """A message as it is read: on one line, without markup and keys of menus."""
    if not config.markup:
        if "<" in message:
            message = _TAG.sub(lambda found: " " if found["breaking"] else "", message)
        if "&" in message:
            message = _REFERENCE.sub(lambda found: html.unescape(found[0]), message)
    message = " ".join(message.split())
    for mark in config.accelerators:
        if mark in message:
            message = _without_accelerator(message, other, mark)
    return message.strip()


def _without_accelerator(message: str, other: str, mark: str) -> str:
    """The message without the mark of the key, which stands before one of its letters, or with it in brackets.

    What stands in a word that the other side has as it is, too (``file_name``, ``AT&T``), is a part of the word.
    """
    escaped = re.escape(mark)
    bracketed = re.compile(rf" ?[(（]{escaped}\w[)）]")
    if bracketed.search(message):
        return bracketed.sub("", message)
    found = [
        each
        for each in re.finditer(rf"(?<![\w{escaped}])(\w*?){escaped}(?=\w)[\w{escaped}]*", message)
        if mark * 2 not in each[0]
    ]
    if len(found) == 1 and not (found[0][1] and _is_word(found[0][0], other, mark)):
        at = found[0].end(1)
        message = message[:at] + message[at + 1 :]
    return message.replace("&&", "&") if mark == "&" else message


def _is_word(word: str, other: str, mark: str) -> bool:
    before, _, after = word.partition(mark)
    if word in other or not (before[-1].isalpha() and after[0].isalpha()):
        return True
    # As in "R&D" and "KP_Home".
    return before.isupper() and (after.isupper() or len(before) > 1)

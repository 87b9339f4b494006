"""The words of `lect` and what they mean, from the glossary that people read, so that reports say the same."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources

from lect.locales import Locale, message

_ENTRY = re.compile(r"^- \*\*(?P<word>.+?)\*\*: (?P<meaning>.+)$", re.MULTILINE)


EXPLAINED = (
    message("confidence interval"),
    message("macro F1"),
    "recall@1",
    message("gap to the source"),
    message("calibration error"),
    message("token"),
)
"""Words that pages explain: what the glossary says of them is in the catalogues of messages."""


def meaning_of(word: str) -> str:
    """What a word means, in plain text that begins with a capital letter.

    Raises:
        KeyError: the glossary does not have it.
    """
    return _capital(re.sub(r"[`*]", "", _entries()[word]))


def explained(word: str, locale: Locale) -> tuple[str, str]:
    """One of `EXPLAINED` with its meaning, as a heading and a text for a reader."""
    return _capital(locale.term(word)), locale.term(meaning_of(word))


def _capital(text: str) -> str:
    """The text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


@lru_cache(maxsize=1)
def _entries() -> dict[str, str]:
    text = resources.files("lect").joinpath("glossary.md").read_text(encoding="utf-8")
    return {found["word"]: found["meaning"] for found in _ENTRY.finditer(text)}

"""The words of `lect` and what they mean, from the glossary that people read, so that reports say the same."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources

_ENTRY = re.compile(r"^- \*\*(?P<word>.+?)\*\*: (?P<meaning>.+)$", re.MULTILINE)


def meaning_of(word: str) -> str:
    """What a word means, in plain text that begins with a capital letter.

    Raises:
        KeyError: the glossary does not have it.
    """
    text = re.sub(r"[`*]", "", _entries()[word])
    return text[:1].upper() + text[1:]


@lru_cache(maxsize=1)
def _entries() -> dict[str, str]:
    text = resources.files("lect").joinpath("glossary.md").read_text(encoding="utf-8")
    return {found["word"]: found["meaning"] for found in _ENTRY.finditer(text)}

"""Scripts: which one a language is written in, and which ones a text's letters are of."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any

_MEMBERS = {
    "Jpan": ("Hani", "Hira", "Kana"),
    "Hrkt": ("Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Hanb": ("Hani", "Bopo"),
    "Latf": ("Latn",),
    "Latg": ("Latn",),
    "Aran": ("Arab",),
    "Syre": ("Syrc",),
    "Syrj": ("Syrc",),
    "Syrn": ("Syrc",),
    "Geok": ("Geor",),
}
"""ISO 15924 codes that name no script of Unicode's, with the ones that they stand for."""


def scripts_of(tag: str) -> tuple[str, ...]:
    """The scripts a language is mostly written in, as ISO 15924 codes: ``("Nkoo",)`` for ``nqo``.

    By the tag itself where it says a script, else by CLDR's likely subtags; () where these know none.

    Raises:
        DataError: the tag is malformed or unassigned.
    """
    import langcodes

    from lect.languages.tags import normalise

    script = langcodes.Language.get(normalise(tag)).maximize().script
    return expand((script,)) if script else ()


def expand(scripts: tuple[str, ...]) -> tuple[str, ...]:
    """The scripts of Unicode that these codes stand for: ``Jpan`` is Han, Hiragana and Katakana."""
    return tuple(dict.fromkeys(member for script in scripts for member in _MEMBERS.get(script, (script,))))


def is_script(code: str) -> bool:
    """Whether this is an ISO 15924 code of a script that Unicode has letters of."""
    import regex
    from langcodes.data_dicts import ALL_SCRIPTS

    # `regex` takes names of scripts, too, and does not mind how they are written.
    if code not in ALL_SCRIPTS:
        return False
    try:
        return all(_letters((member,)) is not None for member in expand((code,)))
    except regex.error:
        return False


def script_share(text: str, scripts: tuple[str, ...]) -> float:
    """The share of a text's letters that are of these scripts, 0 to 1; 0 where it has no letters.

    Args:
        scripts: as `expand` gives them.
    """
    letters = len(_letters(()).findall(text))
    return len(_letters(scripts).findall(text)) / letters if letters else 0.0


def count_scripts(text: str, counts: Counter[str]) -> None:
    """Add the letters of a text to `counts`, by the ISO 15924 code of their script."""
    rest = text
    for script in [*counts, *_COMMON]:
        if not _letters(()).search(rest):
            return
        rest, found = _letters((script,)).subn("", rest)
        if found:
            counts[script] += found
    for letter in _letters(()).findall(rest):
        counts[_script(letter)] += 1


_COMMON = ("Latn", "Arab", "Cyrl", "Deva", "Hani")


@lru_cache(maxsize=256)
def _letters(scripts: tuple[str, ...]) -> Any:
    import regex

    if not scripts:
        return regex.compile(r"\p{L}")
    union = "".join(rf"\p{{Script={script}}}" for script in scripts)
    return regex.compile(rf"(?V1)[\p{{L}}&&[{union}]]")


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    """The script of one letter; ``Zzzz`` where it has none of its own."""
    return next((script for script in _scripts() if _letters((script,)).match(letter)), "Zzzz")


@lru_cache(maxsize=1)
def _scripts() -> tuple[str, ...]:
    """Every script of Unicode that BCP 47 has a code for."""
    from langcodes.data_dicts import ALL_SCRIPTS

    return tuple(script for script in sorted(ALL_SCRIPTS) if script not in _MEMBERS and is_script(script))

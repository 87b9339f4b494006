"""Terms of CLDR's locales, out of the data that Babel brings.

Unicode CLDR (Common Locale Data Repository), https://cldr.unicode.org, names territories, languages, scripts and
currencies in several hundred locales. A locale inherits what it does not say itself from its parents, and much of what
it says is English that nobody has translated yet; here a locale has only terms of its own.
"""

from __future__ import annotations

import difflib
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from lect import DataError, UserError

Kind = Literal["territories", "languages", "scripts", "currencies"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SINGULAR: Mapping[Kind, str] = {
    "territories": "territory",
    "languages": "language",
    "scripts": "script",
    "currencies": "currency",
}
_TABLES: Mapping[Kind, str] = {
    "territories": "territories",
    "languages": "languages",
    "scripts": "scripts",
    "currencies": "currency_names",
}
ENGLISH = "en"
DEFAULT_MINIMUM = 200
_WHERE = "reader cldr, locale"
_SUCH_AS = "name a locale such as nqo, chr, ff_Adlm or yo"


@dataclass(frozen=True)
class Term:
    """An entity's name in a locale.

    Args:
        kind: what the entity is, in the singular.
        code: its code in CLDR, such as ``US``, ``001``, ``nqo``, ``Adlm`` or ``XOF``.
        text: the name in the locale.
        english: the name in English; several entities may share one.
    """

    kind: str
    code: str
    text: str
    english: str

    @property
    def key(self) -> str:
        """What the term is about, such as ``territory:US``."""
        return f"{self.kind}:{self.code}"


def terms_of(locale: str, kinds: Iterable[Kind] = KINDS) -> list[Term]:
    """A locale's own terms, by kind and code.

    Left out is what the locale inherits, what is the English name or the bare code (both of them kept for English
    itself), and of two entities of a kind with the same name the second.

    Args:
        locale: a name as `find_locale` gives it.
    """
    own, english = _names(locale), _names(ENGLISH)
    found = []
    for kind in kinds:
        seen: set[str] = set()
        for code, name in sorted(own[kind].items()):
            text, in_english = name.strip(), english[kind].get(code)
            untranslated = locale != ENGLISH and text in (in_english, code)
            if not text or in_english is None or untranslated or text in seen:
                continue
            seen.add(text)
            found.append(Term(SINGULAR[kind], code, text, in_english))
    return found


def first_keys() -> dict[str, str]:
    """For every English name the first key, in alphabetical order, of the entities that it names."""
    keys = sorted((f"{SINGULAR[kind]}:{code}", name) for kind in KINDS for code, name in _names(ENGLISH)[kind].items())
    firsts: dict[str, str] = {}
    for key, name in keys:
        firsts.setdefault(name, key)
    return firsts


def find_locale(tag: str) -> str:
    """CLDR's name of a locale, such as ``ff_Adlm``, from that or from a BCP 47 or ISO 639 tag in any case.

    Raises:
        DataError: CLDR has no such locale.
    """
    from lect.languages import display_name, normalise

    known = {name.casefold(): name for name in _locales()}
    spelt = tag.strip().replace("-", "_").casefold()
    if spelt in known:
        return known[spelt]
    try:
        canonical = normalise(tag).replace("-", "_").casefold()
    except UserError as error:
        raise DataError(f'no locale "{tag}" in CLDR', where=_WHERE, fix=_nearest(spelt, known, error.fix)) from None
    if canonical in known:
        return known[canonical]
    language = canonical.partition("_")[0]
    fix = f'did you mean "{language}"?' if language in known else _SUCH_AS
    raise DataError(f'CLDR has no locale "{tag}", {display_name(tag)}', where=_WHERE, fix=fix)


def locales_with_terms(minimum: int = DEFAULT_MINIMUM, kinds: Iterable[Kind] = KINDS) -> dict[str, int]:
    """How many terms of its own every locale has that has at least `minimum`; reads all of CLDR, about a second."""
    wanted = tuple(kinds)
    counts = {locale: len(terms_of(locale, wanted)) for locale in _locales()}
    return {locale: count for locale, count in counts.items() if count >= minimum}


def _nearest(name: str, known: Mapping[str, str], by_language: str | None) -> str:
    """What was meant by something that is no tag: a locale spelt like it, else the tag of a language called so."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    if close:
        return f'did you mean "{known[close[0]]}"?'
    return by_language if by_language and by_language.startswith("did you mean") else _SUCH_AS


def _locales() -> list[str]:
    from babel.localedata import locale_identifiers

    return sorted(str(name) for name in locale_identifiers())


@lru_cache(maxsize=4)
def _names(locale: str) -> Mapping[Kind, Mapping[str, str]]:
    """What a locale's own file says, by kind and code.

    Babel's `load` with ``merge_inherited=False`` would leave the bare file in Babel's cache, where the next one to ask
    for that locale gets it instead of the merged one. So its file is read here: a part of the installed package.
    """
    from babel.localedata import resolve_locale_filename

    with Path(resolve_locale_filename(locale)).open("rb") as file:
        data = pickle.load(file)
    return {
        kind: {str(code): name for code, name in (data.get(table) or {}).items() if isinstance(name, str)}
        for kind, table in _TABLES.items()
    }

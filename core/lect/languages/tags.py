"""Language tags: one canonical form to compare by, and names to show.

A tag is BCP 47, and ISO 639-1 and 639-3 codes are such tags: ``id``, ``ind``, ``nqo``, ``ff-Adlm``. The canonical form
is the shortest one that BCP 47 knows (``ind`` is ``id``, ``jav`` is ``jv``, ``nqo-Nkoo`` is ``nqo``), so two tags name
the same language where their canonical forms are equal. Where a user names a language, its English name will do as
well: ``Bambara`` is ``bm``. Whatever the user wrote stays as it is in names of components and in stacks: ``lang:jav``
is never renamed to ``lang:jv``.
"""

from __future__ import annotations

import difflib

from lect.errors import DataError

SHORTEST_NAME = 4
"""The letters from which a text may be a language's name: what is shorter is a tag or nothing."""


def normalise(language: str) -> str:
    """The canonical BCP 47 form of a tag or an English name: ``jav``, ``jv`` and ``Javanese`` give ``jv``.

    A tag goes before a name. Names of other languages than English are not taken, but suggested: some mean several.

    Raises:
        DataError: it is neither a name nor a tag whose parts are all assigned to a language, script or region.
    """
    found = _canonical(language) or _named(language)
    if found is None:
        what = (
            f'"{language}" is not a language tag (BCP 47 or ISO 639, such as id, ind or ff-Adlm) or the English name '
            "of a language"
        )
        raise DataError(what, fix=_nearest(language))
    return found


def is_tag(text: str) -> bool:
    """Whether a text is a tag of a language; its name is none."""
    return _canonical(text) is not None


def same_language(first: str, second: str) -> bool:
    """Whether two tags name the same language in the same script. Raises `DataError` for a tag that is none."""
    return normalise(first) == normalise(second)


def display_name(tag: str, reader: str = "en") -> str:
    """The name of a language, with its script or region where the tag gives one: ``Fula (Adlam)``.

    Args:
        reader: in whose language, as far as CLDR has the name in it, else in English.

    Raises:
        DataError: the tag is malformed or unassigned.
    """
    import langcodes

    return str(langcodes.Language.get(normalise(tag)).display_name(reader)).replace("’", "'")


def name_with_tag(tag: str, reader: str = "en") -> str:
    """A language as people read it: ``Javanese (jv)``. Takes and raises what `display_name` does."""
    return f"{display_name(tag, reader)} ({tag})"


def _canonical(tag: str) -> str | None:
    import langcodes
    from langcodes.tag_parser import LanguageTagError

    try:
        canonical = str(langcodes.standardize_tag(tag.strip()))
        return canonical if langcodes.tag_is_valid(canonical) else None
    except LanguageTagError:
        return None


def _named(name: str) -> str | None:
    """The language of an English name; what stands in brackets would be lost, and is not taken."""
    import langcodes
    from language_data import names

    if len(name.strip()) < SHORTEST_NAME or "(" in name:
        return None
    try:
        found = langcodes.find(name.strip(), language="en").to_tag()
    except LookupError:
        return None
    # The library also takes what begins with a name, such as "Bambaraa": only the whole name will do.
    is_whole = names.normalize_name(name) in names.TRIES["en/name_to_language"]
    return _canonical(found) if is_whole else None


def _nearest(tag: str) -> str:
    """A clause with the tag that was most likely meant: by a name in any language, else a like name or code."""
    import langcodes
    from langcodes.data_dicts import LANGUAGE_ALPHA3
    from langcodes.language_lists import CLDR_LANGUAGES
    from language_data import names as names_of

    wanted = tag.strip()
    if len(wanted) >= SHORTEST_NAME:
        for name_language in ("en", None):
            try:
                return f'did you mean "{langcodes.find(wanted, language=name_language).to_tag()}"?'
            except LookupError:
                continue
        known = names_of.TRIES["en/name_to_language"].keys()
        close = difflib.get_close_matches(names_of.normalize_name(wanted), known, n=1, cutoff=0.75)
        if close:
            return f'did you mean "{langcodes.find(close[0], language="en").to_tag()}"?'
    codes = sorted({langcodes.standardize_tag(code) for code in (*LANGUAGE_ALPHA3, *CLDR_LANGUAGES)})
    names = {str(code): str(langcodes.Language.get(code).display_name("en")) for code in codes}
    like = difflib.get_close_matches(wanted.casefold(), names, n=1)
    if like:
        return f'did you mean "{like[0]}" ({names[like[0]]})?'
    return "look the language up at https://iso639-3.sil.org"

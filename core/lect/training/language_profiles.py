"""Profiles of the languages that a component is trained on, by which texts for it are known later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from lect.data.examples import Example
from lect.errors import DataError
from lect.languages.profiles import ENOUGH_CHARACTERS, LanguageProfile, profile_of
from lect.languages.tags import normalise

MOST_LANGUAGES = 16


def profiles_of(examples: Sequence[Example], languages: Sequence[str]) -> tuple[LanguageProfile, ...]:
    """The profiles of the languages of training rows, of those with the most text first.

    A row is of the language that it names, else of the component's, where that is of a single one. Of a large corpus
    every so many rows are taken, some 400,000 characters of each language.

    Args:
        languages: the component's; rows of others are not looked at, unless it names none.
    """
    own = tuple(dict.fromkeys(map(normalise, languages)))
    single = own[0] if len(own) == 1 else None
    characters: Counter[str] = Counter()
    for language, text in _texts(examples, own, single):
        characters[language] += len(text)
    kept = [language for language, _ in characters.most_common(MOST_LANGUAGES)]
    found = (profile_of(each, _some(examples, own, single, each, characters[each])) for each in kept)
    return tuple(profile for profile in found if profile is not None)


def _some(
    examples: Sequence[Example], own: Sequence[str], single: str | None, wanted: str, characters: int
) -> Iterator[str]:
    every = max(1, characters // ENOUGH_CHARACTERS)
    texts = (text for language, text in _texts(examples, own, single) if language == wanted)
    return (text for number, text in enumerate(texts) if number % every == 0)


def _texts(examples: Sequence[Example], own: Sequence[str], single: str | None) -> Iterator[tuple[str, str]]:
    """The texts with their languages."""
    for example in examples:
        language = single if example.language is None else _canonical(example.language)
        if language is not None and (not own or language in own):
            yield language, example.text


@lru_cache(maxsize=4096)
def _canonical(language: str) -> str | None:
    try:
        return normalise(language)
    except DataError:
        return None

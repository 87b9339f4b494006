"""The reader ``cldr``: terms with their English names or with their kinds, split by entity."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lect import Config, DataError, Example, ReaderSpec
from lect_cldr.terms import DEFAULT_MINIMUM, KINDS, Kind, Term, find_locale, first_keys, locales_with_terms, terms_of

_SHOWN = ("nqo", "chr", "ff_Adlm", "sat", "am", "yo", "jv")
"""Locales with scripts or resources that big models serve badly, named first where some are named."""


class CldrConfig(Config):
    """Which terms to read, and as what.

    Args:
        locale: one of CLDR's, such as ``nqo`` or ``ff-Adlm``; any BCP 47 or ISO 639 tag that names one.
        kinds: what kinds of things.
        form: ``parallel``: the term with its English name as translation. ``labelled``: the term with its kind as
            label; a term that names things of two kinds (Cherokee, the language and the script) has no one right
            label, and is left out.
        part: ``train``, ``test`` or ``all``. The parts are split by entity, the same way for every locale, so that
            what is tested in one locale was not trained in another. Entities with the same English name fall into the
            same part. A test term that is spelt like a training term of its locale is left out of the test.
        test_share: the share of entities in the test part.
        seed: another seed is another split.
        minimum: fewer terms in the locale (both parts together, before any is left out) are an error.
    """

    locale: str
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = KINDS
    form: Literal["parallel", "labelled"] = "parallel"
    part: Literal["train", "test", "all"] = "all"
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: int = 0
    minimum: Annotated[int, Field(ge=1)] = DEFAULT_MINIMUM


def read_cldr(config: CldrConfig, folder: Path) -> Iterable[Example]:
    """The terms of one locale. Raises `DataError` where CLDR lacks the locale, or enough of its terms."""
    locale = find_locale(config.locale)
    kinds = tuple(kind for kind in KINDS if kind in config.kinds)
    terms = terms_of(locale, kinds)
    if len(terms) < config.minimum:
        raise _too_few(config, locale, len(terms), kinds)
    if config.form == "labelled":
        terms = _of_one_kind(terms)
    return _examples(_part(terms, config), locale, config.form)


def in_test(key: str, test_share: float, seed: int) -> bool:
    """Whether the entity with that key (``territory:US``) falls into the test part: by a hash, so alike everywhere."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < test_share


CLDR = ReaderSpec(
    name="cldr",
    summary="names of territories, languages, scripts and currencies in any of CLDR's locales",
    config=CldrConfig,
    read=read_cldr,
)


def _part(terms: Sequence[Term], config: CldrConfig) -> list[Term]:
    if config.part == "all":
        return list(terms)
    firsts = first_keys()
    train, test = [], []
    for term in terms:
        # Entities with one English name go together, or a translation in the test would be one from the training.
        held_out = in_test(firsts[term.english], config.test_share, config.seed)
        (test if held_out else train).append(term)
    if config.part == "train":
        return train
    trained = {term.text for term in train}
    return [term for term in test if term.text not in trained]


def _of_one_kind(terms: Sequence[Term]) -> list[Term]:
    kinds = defaultdict(set)
    for term in terms:
        kinds[term.text].add(term.kind)
    return [term for term in terms if len(kinds[term.text]) == 1]


def _examples(terms: Sequence[Term], locale: str, form: str) -> Iterator[Example]:
    from lect.languages import normalise

    language = normalise(locale)
    for term in terms:
        yield Example(
            text=term.text,
            translation=term.english if form == "parallel" else None,
            label=term.kind if form == "labelled" else None,
            language=language,
            key=term.key,
            origin=f"CLDR {locale}, {term.key}",
        )


def _too_few(config: CldrConfig, locale: str, count: int, kinds: Sequence[Kind]) -> DataError:
    enough = locales_with_terms(config.minimum, kinds)
    parents = ["_".join(locale.split("_")[:length]) for length in range(locale.count("_"), 0, -1)]
    parent = next((name for name in parents if name in enough), None)
    some = [name for name in _SHOWN if name in enough] or sorted(enough, key=enough.__getitem__)[-8:]
    what = f'locale "{config.locale}" has only {count} terms of its own ({", ".join(kinds)})'
    if parent is not None:
        fix = f'take "{parent}", from which it inherits and which has {enough[parent]}'
    elif some:
        fix = f"{len(enough)} locales have enough, among them {', '.join(some)}"
    else:
        fix = "set a lower minimum"
    return DataError(f"{what}; at least {config.minimum} are needed", where="reader cldr, locale", fix=fix)

"""The language of a single text, by the profiles of components and by an identifier that is installed.

Naive Bayes over runs of one to four characters (Cavnar & Trenkle 1994; Lui & Baldwin 2011). What is chosen from are the
languages that there are profiles of, which says nothing of all others. So a text is of a profile's language only
where it fits that profile as the language's own texts do:

- its runs may not cost much more than those of the profile's texts do on average (their entropy);
- it has to be as far from the next profiles as the language's own texts are (their Kullback-Leibler divergence): a text
  in a third language lies between the two.

Where that is not clear, an installed identifier is asked, which knows more languages: what it finds is taken if there
is no profile of it, or if the text fits no profile. Else profiles decide among the languages that they are of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lect.languages.installed import InstalledIdentifier
from lect.languages.profiles import (
    BUCKETS,
    COSTS_PER_NAT,
    MOST_OF_TEXT,
    LanguageProfile,
    mean_profile,
    runs_of,
    shares_of,
)

_EVIDENCE = 0.15
"""What a run counts for beside those that it overlaps with: so probabilities are right, on texts of 5 to 50 words."""

_CLEAR, _DOUBTFUL, _STRANGE = 0.5, 0.3, 0.15
"""Shares of the usual distance from the next profiles: above the first one nothing else is asked, below the second
another identifier is believed, and below the third a text is of none of the languages."""
_SPREAD_DOUBTFUL, _SPREAD_STRANGE, _SPREAD_EXCESS = 1.0, 2.0, 4.0
"""How far these shares, and the excess, spread on texts of few runs, times the root of their number."""
_NEAR = 2.0
"""Nats a run from which on the next profile is too far away to tell the language from others like it."""
_DOUBTFUL_EXCESS, _STRANGE_EXCESS = 1.5, 1.8
"""Nats a run above the profile's own texts with which another identifier is believed, and a text is of none."""
_NEXT = 3
_LISTED = 3


@dataclass(frozen=True)
class Identification:
    """What language a text is in.

    Args:
        language: its canonical tag; None where it is not known.
        probability: of that language, among those that were compared.
        by: what it was found by: ``profiles`` of components, or the name of an installed identifier; empty where it
            was not found.
        others: the next languages, with their probabilities.
    """

    language: str | None
    probability: float = 0.0
    by: str = ""
    others: tuple[tuple[str, float], ...] = field(default=())


class Identifier:
    """Says the language of texts; made once of what there is, and used from several threads.

    Args:
        profiles: of components; several of one language are taken together.
        load_installed: gives an identifier that knows more languages, when it is first needed; None where there is
            none.
    """

    def __init__(
        self,
        profiles: Iterable[LanguageProfile],
        load_installed: Callable[[], InstalledIdentifier | None] = lambda: None,
    ) -> None:
        by_language: dict[str, list[LanguageProfile]] = {}
        for profile in profiles:
            by_language.setdefault(profile.language, []).append(profile)
        self.languages = tuple(sorted(by_language))
        # A row a hash, so that those of a text are gathered at once.
        self._costs = np.empty((BUCKETS, len(self.languages)), np.uint8)
        for column, language in enumerate(self.languages):
            self._costs[:, column] = mean_profile(by_language[language]).costs
        self._entropies: dict[int, float] = {}
        self._divergences: dict[tuple[int, int], float] = {}
        self._load_installed, self._loaded = load_installed, False
        self._of_installed: InstalledIdentifier | None = None
        self._known: frozenset[str] = frozenset()
        self._plain = {plain(language): language for language in self.languages}

    def __call__(self, text: str) -> Identification:
        """The language of a text. Of a long one its first 2,000 characters are looked at."""
        runs = runs_of(text)
        if not len(runs):
            return Identification(None)
        own, fit = self._by_profiles(runs) if self.languages else (None, None)
        if own is not None and fit is not None and fit.is_clear:
            return own
        installed = self.installed()
        if installed is not None:
            language, probability = installed.identify(text[:MOST_OF_TEXT])
            if own is None or fit is None:
                return Identification(language, probability, installed.name) if probability else Identification(None)
            if self._is_another(language, own) and probability >= 0.5 and (self._knows(own) or fit.is_doubtful):
                return Identification(language, probability, installed.name, _listed(own))
            if fit.is_strange and plain(language) in self._plain and probability >= 0.5:
                return Identification(self._plain[plain(language)], probability, installed.name, _listed(own))
        if own is None or fit is None or fit.is_strange:
            return Identification(None, others=() if own is None else _listed(own))
        return own

    def installed(self) -> InstalledIdentifier | None:
        """The installed identifier, loaded if it was not yet, which may take a second."""
        if not self._loaded:
            self._of_installed = self._load_installed()
            self._known = frozenset(map(plain, self._of_installed.languages if self._of_installed else ()))
            self._loaded = True
        return self._of_installed

    def _is_another(self, language: str, own: Identification) -> bool:
        """Whether what an installed identifier says is of no profile, and not only a larger name for what these say."""
        return plain(language) not in self._plain and plain(language) != macrolanguage(own.language or "")

    def _knows(self, own: Identification) -> bool:
        """Whether the installed identifier could have said what the profiles say."""
        return plain(own.language or "") in self._known

    # ------------------------------------------------------------------------------------------------------- profiles

    def _by_profiles(self, runs: NDArray[np.uint32]) -> tuple[Identification, _Fit]:
        total = np.add.reduce(self._costs[runs], axis=0, dtype=np.uint32) / COSTS_PER_NAT
        order = np.argsort(total)[: _NEXT + 1]
        best = int(order[0])
        weights = np.exp((total[best] - total) * _EVIDENCE)
        shares = weights / weights.sum()
        next_ones = [int(place) for place in order[1:]]
        found = Identification(
            self.languages[best],
            float(shares[best]),
            "profiles",
            tuple((self.languages[place], float(shares[place])) for place in next_ones),
        )
        per_run = total / len(runs)
        apart = [
            float(per_run[place] - per_run[best]) / max(self._divergence(best, place), 1e-3) for place in next_ones
        ]
        return found, _Fit(
            distance=min(apart, default=1.0),
            excess=float(per_run[best]) - self._entropy(best),
            spread=len(runs) ** -0.5,
            has_near=bool(next_ones) and self._divergence(best, next_ones[0]) <= _NEAR,
        )

    def _entropy(self, place: int) -> float:
        """The mean cost of a run of the profile's own texts, in nats."""
        if place not in self._entropies:
            self._entropies[place] = self._cost(place, place)
        return self._entropies[place]

    def _divergence(self, place: int, other: int) -> float:
        """What runs of a profile's texts cost more by another profile, in nats: the Kullback-Leibler divergence."""
        if (place, other) not in self._divergences:
            self._divergences[place, other] = self._cost(place, other) - self._entropy(place)
        return self._divergences[place, other]

    def _cost(self, place: int, other: int) -> float:
        shares = shares_of(self._costs[:, place])
        return float(shares @ self._costs[:, other].astype(np.float32)) / COSTS_PER_NAT


@dataclass(frozen=True)
class _Fit:
    """How well a text fits the best profile.

    Args:
        distance: from the next profiles, as a share of what it is for the language's own texts; the least one.
        excess: of cost over the language's own texts, in nats a run.
        spread: of both on a text of so many runs, in parts of what it is on one.
        has_near: whether the next profile is of a language so near that the distance says something of others.
    """

    distance: float
    excess: float
    spread: float
    has_near: bool

    @property
    def is_clear(self) -> bool:
        """Whether nothing else need be asked."""
        return self.has_near and self.distance >= _CLEAR and self._is_within(_DOUBTFUL_EXCESS)

    @property
    def is_doubtful(self) -> bool:
        """Whether another identifier is believed that says another language."""
        is_near_others = self.distance + _SPREAD_DOUBTFUL * self.spread < _DOUBTFUL
        return is_near_others or not self._is_within(_DOUBTFUL_EXCESS)

    @property
    def is_strange(self) -> bool:
        """Whether the text is of another language than those that there are profiles of."""
        is_near_others = self.distance + _SPREAD_STRANGE * self.spread < _STRANGE
        return is_near_others or not self._is_within(_STRANGE_EXCESS)

    def _is_within(self, excess: float) -> bool:
        return self.excess <= excess + _SPREAD_EXCESS * self.spread


@lru_cache(maxsize=4096)
def plain(tag: str) -> str:
    """A tag in the form that identifiers know: of single languages the large one (``swh`` is ``sw``), and without the
    script that the language is mostly written in.
    """
    import langcodes

    if not tag:
        return ""
    language: Any = langcodes.Language.get(langcodes.standardize_tag(tag, macro=True))
    if language.language is None:
        # "und": what an identifier says of a text in no language.
        return ""
    usual = langcodes.Language.get(language.language).maximize().script
    script = language.script if language.script != usual else None
    return f"{language.language}-{script}" if script else str(language.language)


@lru_cache(maxsize=4096)
def macrolanguage(tag: str) -> str:
    """The macrolanguage that a language is one of: ``ar`` of ``ary``; empty where there is none."""
    from langcodes.data_dicts import MACROLANGUAGES

    return str(MACROLANGUAGES.get(tag.partition("-")[0], ""))


def _listed(found: Identification) -> tuple[tuple[str, float], ...]:
    own = ((found.language, found.probability),) if found.language else ()
    return (*own, *found.others)[:_LISTED]

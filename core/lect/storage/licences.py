"""Whether a component's licence grants what the licences of its training data forbid.

It is judged by what licences say of themselves: NC, ND and SA of Creative Commons (section 1 of their legal code:
"Adapted Material", "NonCommercial", "ShareAlike"), and the copyleft of ODbL, GFDL, CDLA-Sharing and the GPL's family.
Whether trained parameters are an adaptation of their data at all differs between countries: what is found is a question
to the author, who may answer it in the component's card.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lect.storage.manifest import Manifest

NON_COMMERCIAL, NO_DERIVATIVES, SHARE_ALIKE = "non-commercial", "no derivatives", "share alike"
_SAID = {
    NON_COMMERCIAL: "allows no commercial use",
    NO_DERIVATIVES: "allows nobody to share what is made of it",
    SHARE_ALIKE: "asks for the same licence for what is made of it",
}
_CREATIVE_COMMONS = re.compile(r"\bCC[ -]BY((?:[ -](?:NC|ND|SA))*)(?:[ -]v?(\d)(?:\.(\d))?)?", re.IGNORECASE)
_COPYLEFT = re.compile(r"^(GPL|LGPL|AGPL|GFDL|ODBL|OSL|EUPL|CDLA-SHARING)-(\d+)(?:\.(\d+))?(.*)$", re.IGNORECASE)
_NOT_COMMERCIAL = re.compile(r"non-?commercial|research[ -](use[ -])?only|\bNC\b", re.IGNORECASE)
# https://creativecommons.org/share-your-work/licensing-considerations/compatible-licenses/
_COMPATIBLE = re.compile(r"^(GPL-3\.0.*|FAL-1\.3)$", re.IGNORECASE)


@dataclass(frozen=True)
class Conflict:
    """What a component's training data does not allow its licence to say.

    Args:
        source: of the data, or another component that it was made of.
        licence: the data's.
        restrictions: of `NON_COMMERCIAL`, `NO_DERIVATIVES` and `SHARE_ALIKE` those that the component's does not keep.
        granted: the component's licence.
    """

    source: str
    licence: str
    restrictions: tuple[str, ...]
    granted: str

    def __str__(self) -> str:
        said = " and ".join(_SAID[each] for each in self.restrictions)
        return f"{self.source} is {self.licence}, which {said}; the component is {self.granted}"


def licence_conflicts(licence: str, sources: Iterable[tuple[str, str]]) -> tuple[Conflict, ...]:
    """What of the sources a component's licence does not keep to.

    Args:
        licence: the component's, an SPDX expression; nothing conflicts with "".
        sources: names and licences, as their tables in the recipe have them: SPDX expressions or plain words.
    """
    found = []
    for source, stated in dict.fromkeys(sources):
        if licence and stated and (unmet := _unmet(_parsed(licence), _parsed(stated))):
            restrictions = tuple(each for each in _SAID if each in unmet)
            found.append(Conflict(source, stated, restrictions, licence))
    return tuple(found)


def conflicts_of(manifest: Manifest) -> tuple[Conflict, ...]:
    """What of its training data, or of what it was made of, a component's licence does not keep to."""
    data = manifest.training.data if manifest.training else ()
    members = manifest.origin.members if manifest.origin else ()
    sources = [(each.source, each.licence) for each in data]
    return licence_conflicts(manifest.licence, sources + [(each.component, each.licence) for each in members])


def unanswered_conflicts(manifest: Manifest) -> tuple[Conflict, ...]:
    """The conflicts of which the author has not said why the licence is right all the same."""
    answered = manifest.card is not None and manifest.card.licence_reason
    return () if answered else conflicts_of(manifest)


def _unmet(granted: Any, stated: Any) -> frozenset[str]:
    """The restrictions of a stated licence that a granted one does not keep; both as parsed expressions."""
    if parts := _parts(stated, "AND"):
        return frozenset[str]().union(*(_unmet(granted, part) for part in parts))
    if parts := _parts(stated, "OR"):
        # Who trains chooses; what all alternatives were offered under keeps each of them.
        if str(granted) == str(stated):
            return frozenset()
        return min((_unmet(granted, part) for part in parts), key=len)
    if parts := _parts(granted, "OR"):
        return frozenset[str]().union(*(_unmet(part, stated) for part in parts))
    if parts := _parts(granted, "AND"):
        return frozenset.intersection(*(_unmet(part, stated) for part in parts))
    return _broken(_name(granted), _name(stated))


def _broken(granted: str, stated: str) -> frozenset[str]:
    asked, kept = _restrictions(stated), _restrictions(granted)
    broken = set()
    if NON_COMMERCIAL in asked and NON_COMMERCIAL not in kept:
        broken.add(NON_COMMERCIAL)
    if NO_DERIVATIVES in asked:
        broken.add(NO_DERIVATIVES)
    if SHARE_ALIKE in asked and not _is_alike(granted, stated):
        broken.add(SHARE_ALIKE)
    return frozenset(broken)


def _restrictions(name: str) -> frozenset[str]:
    if found := _CREATIVE_COMMONS.search(name):
        letters = re.split("[ -]", found[1].upper())
        meanings = {"NC": NON_COMMERCIAL, "ND": NO_DERIVATIVES, "SA": SHARE_ALIKE}
        return frozenset(meanings[each] for each in letters if each)
    restrictions = {SHARE_ALIKE} if _COPYLEFT.match(name) else set[str]()
    return frozenset(restrictions | ({NON_COMMERCIAL} if _NOT_COMMERCIAL.search(name) else set()))


def _is_alike(granted: str, stated: str) -> bool:
    """Whether what is shared alike under one licence may be under the other: the same one, or a later version."""
    ours, theirs = _CREATIVE_COMMONS.search(granted), _CREATIVE_COMMONS.search(stated)
    if theirs:
        if ours:
            same = _restrictions(granted) == _restrictions(stated)
            return same and _version(ours) >= _version(theirs)
        plain = NON_COMMERCIAL not in _restrictions(stated) and theirs[2] == "4"
        return plain and bool(_COMPATIBLE.match(granted))
    mine, other = _COPYLEFT.match(granted), _COPYLEFT.match(stated)
    if not mine or not other or mine[1].upper() != other[1].upper():
        return granted.upper() == stated.upper()
    granted_later, stated_later = (each[4].lower() in ("-or-later", "+") for each in (mine, other))
    numbers = [(int(each[2]), int(each[3] or 0)) for each in (mine, other)]
    return numbers[0] >= numbers[1] if stated_later else numbers[0] == numbers[1] and not granted_later


def _version(found: re.Match[str]) -> tuple[int, int]:
    return int(found[2] or 0), int(found[3] or 0)


@lru_cache(maxsize=1024)
def _parsed(licence: str) -> Any:
    from lect.fields import parse_licence

    # An expression cannot be asked for its truth.
    return licence if (parsed := parse_licence(licence)) is None else parsed


def _parts(expression: Any, operator: str) -> tuple[Any, ...]:
    return tuple(expression.args) if getattr(expression, "operator", "").strip() == operator else ()


def _name(expression: Any) -> str:
    symbol = getattr(expression, "license_symbol", expression)
    return str(getattr(symbol, "key", symbol))

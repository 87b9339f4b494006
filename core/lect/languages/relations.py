"""How languages are related: by descent, by place and by script, from a typological database where one is installed.

The database is that of `qwanqwa` (``pip install lect[languages]``), which comes along with the package and needs no
network: family trees of Glottolog, coordinates, and scripts of LinguaMeta (data CC BY-SA 4.0). Without it only scripts
are compared, by CLDR's likely subtags in `langcodes`.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lect.languages.tags import normalise

_LOADING = threading.Lock()
"""Held while the database is loaded: whoever else wants it meanwhile waits."""
_EARTH = 6371.0
_NEAR = 1000.0
"""Kilometres over which likeness by place falls to 1/e."""


@dataclass(frozen=True)
class Facts:
    """What is known of one language.

    Args:
        family: its ancestors, the family first; empty where none are known.
        place: latitude and longitude in degrees.
        scripts: ISO 15924 codes of those it is written in.
    """

    family: tuple[str, ...] = ()
    place: tuple[float, float] | None = None
    scripts: frozenset[str] = frozenset()


def source() -> str:
    """Where facts come from, for messages."""
    if language_database() is None:
        return "likely scripts of CLDR (family and place need: pip install lect[languages])"
    from importlib.metadata import version

    return f"qwanqwa {version('qwanqwa')} (Glottolog, LinguaMeta)"


def facts_of(tag: str) -> Facts:
    """What is known of a language. Raises `DataError` for a tag that is none."""
    import langcodes

    language = langcodes.Language.get(normalise(tag))
    stated = frozenset([language.script]) if language.script else frozenset[str]()
    likely = language.maximize().script
    database = language_database()
    known: Any = None if database is None else _languoid(database, language)
    if known is None:
        return Facts(scripts=stated or frozenset(filter(None, [likely])))
    place = None if known.latitude is None or known.longitude is None else (known.latitude, known.longitude)
    scripts = stated or frozenset([likely] if likely else known.script_codes or ())
    return Facts(tuple(reversed([ancestor.name for ancestor in known.family_tree])), place, scripts)


def family_likeness(first: Facts, second: Facts) -> float | None:
    """The share of two languages' lines of descent that they have in common, 0 to 1 (Dice's coefficient)."""
    if not first.family or not second.family:
        return None
    shared = 0
    for one, other in zip(first.family, second.family, strict=False):
        if one != other:
            break
        shared += 1
    # The languages themselves end the lines, and are not the same.
    return 2 * shared / (len(first.family) + len(second.family) + 2)


def distance(first: Facts, second: Facts) -> float | None:
    """Kilometres between the places where two languages are at home (great circle)."""
    if first.place is None or second.place is None:
        return None
    (north, east), (other_north, other_east) = (tuple(map(math.radians, each)) for each in (first.place, second.place))
    across = math.sin((north - other_north) / 2) ** 2
    along = math.cos(north) * math.cos(other_north) * math.sin((east - other_east) / 2) ** 2
    return 2 * _EARTH * math.asin(math.sqrt(across + along))


def place_likeness(first: Facts, second: Facts) -> float | None:
    """1 for languages of one place, falling with the distance."""
    apart = distance(first, second)
    return None if apart is None else math.exp(-apart / _NEAR)


def script_likeness(first: Facts, second: Facts) -> float | None:
    """Whether two languages are written in one script: 1 or 0."""
    if not first.scripts or not second.scripts:
        return None
    return float(bool(first.scripts & second.scripts))


def language_database() -> Any:
    """The database that facts are of, a `qq.Database`; None where it is not installed. Loading it takes seconds."""
    with _LOADING:
        return _loaded_database()


@lru_cache(maxsize=1)
def _loaded_database() -> Any:
    try:
        from qq import Database
    except ImportError:
        return None
    return Database.load()


def _languoid(database: Any, language: Any) -> Any:
    import warnings

    with warnings.catch_warnings():
        # A code that was given up still means its language.
        warnings.simplefilter("ignore")
        try:
            return database.guess(language.language)
        except (KeyError, ValueError, LookupError):
            return None

"""Which versions a reference means: one, a range, or any."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.version import Version

__version__ = "0.1.0"
"""The version of `lect` itself."""

VERSION_PATTERN = r"[0-9][A-Za-z0-9._-]*"
RANGE_RULE = "a version such as 1.2.0, or a range such as ^1, ~1.2 or >=1,<2"
_CLAUSE = rf"(?:\^|~=|~|>=|<=|==|!=|>|<)?{VERSION_PATTERN}"
RANGE_PATTERN = rf"{_CLAUSE}(?:,(?:\^|~=|~|>=|<=|==|!=|>|<){VERSION_PATTERN})*"


def is_version(text: str) -> bool:
    """Whether a stack can name this version: PEP 440 without epoch and local part."""
    from packaging.version import InvalidVersion, Version

    if not re.fullmatch(VERSION_PATTERN, text):
        return False
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def is_range(text: str) -> bool:
    """Whether this is a version or a range of versions."""
    if not re.fullmatch(RANGE_PATTERN, text):
        return False
    clauses = text.split(",")
    # PEP 440: what is compatible with 1 alone would be everything.
    return all(
        is_version(clause.lstrip("^~=<>!")) and ("." in clause or not clause.startswith("~=")) for clause in clauses
    )


def matches(version: str, wanted: str | None) -> bool:
    """Whether a version is one of those that are wanted.

    ``^1.2`` is at least 1.2 and below 2 (below 0.3 for ``^0.2``), ``~1.2`` and ``~=1.2.0`` at least 1.2 and below 1.3;
    the others are those of PEP 440. A plain version means itself, ``1.2`` being ``1.2.0``.
    """
    from packaging.version import Version

    found = Version(version)
    return wanted is None or all(_satisfies(found, clause) for clause in wanted.split(","))


def newest(versions: Iterable[str], wanted: str | None = None) -> str | None:
    """The newest of the versions that are wanted; one before its release only where there is no other, or it is named.

    None where there is none.
    """
    from packaging.version import Version

    fitting = [(Version(text), text) for text in versions if matches(text, wanted)]
    released = [pair for pair in fitting if not pair[0].is_prerelease] or fitting
    return max(released)[1] if released else None


def order(version: str) -> Version:
    """What versions are sorted by."""
    from packaging.version import Version

    return Version(version)


def _satisfies(found: Version, clause: str) -> bool:
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    if clause.startswith("^") or (clause.startswith("~") and not clause.startswith("~=")):
        low = Version(clause[1:])
        release = low.release
        if clause.startswith("~"):
            kept = min(len(release), 2)
        else:
            # The first number that is not zero is the one whose change breaks.
            kept = next((index for index, number in enumerate(release) if number), len(release) - 1) + 1
        high = Version(".".join(map(str, (*release[: kept - 1], release[kept - 1] + 1))) + ".dev0")
        return low <= found < high
    text = clause if clause[0] in "<>=!~" else f"=={clause}"
    return bool(SpecifierSet(text, prereleases=True).contains(found))

"""Regular expressions over paths in configurations of `peft`, made into paths before `peft` sees them.

`peft` matches them by `re`, which may take for ever; a component's configuration may be anybody's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from lect.errors import RecipeError
from lect.patterns import matches

#: Of these `peft` looks for the end of a path that a key matches, which may be the whole; of all others only for less.
_WHOLE_OR_END = ("rank_pattern", "alpha_pattern")
_SECONDS = 10.0
_PLAIN = re.compile(r"[\w.|()\\^$-]*")


def matching(pattern: str, paths: Sequence[str], where: str) -> list[str]:
    """The paths that a regular expression matches as a whole. Raises `RecipeError` for one that cannot be used."""
    try:
        return [path for path, found in zip(paths, matches(pattern, paths), strict=True) if found]
    except ValueError as error:
        raise RecipeError(f'"{pattern[:200]}" {error}', where=where) from None


def resolved_patterns(settings: Mapping[str, Any], paths: Sequence[str], where: str) -> dict[str, Any]:
    """The settings that hold patterns, with the very paths in their place, so that each matches one path alone.

    Args:
        paths: of the projections that are changed.

    Raises:
        RecipeError: a pattern matches none of them, or cannot be used.
    """
    resolved: dict[str, Any] = {}
    for name, value in settings.items():
        if name.endswith("_pattern") and isinstance(value, Mapping) and value:
            resolved[name] = _by_path(name, value, paths, f"{where}, {name}")
    if isinstance(excluded := settings.get("exclude_modules"), str) and excluded:
        resolved["exclude_modules"] = matching(excluded, paths, f"{where}, exclude_modules") or None
    layers = settings.get("layers_pattern") or ()
    for pattern in [layers] if isinstance(layers, str) else layers:
        if not _PLAIN.fullmatch(str(pattern)):
            raise RecipeError(
                f'"{pattern}" should be the name of a list of layers, without repeats', where=f"{where}, layers_pattern"
            )
    return resolved


def _by_path(name: str, values: Mapping[str, Any], paths: Sequence[str], where: str) -> dict[str, Any]:
    """The value of each path that a key matches: of the first key that does."""
    whole = name in _WHOLE_OR_END
    found: dict[str, Any] = {}
    unmatched = []
    begun = monotonic()
    for pattern, value in values.items():
        if monotonic() - begun > _SECONDS:
            raise RecipeError(f"its {len(values):,} patterns take longer than {_SECONDS:g} s to match", where=where)
        ends = matching(rf"(?:.*\.)?(?:{pattern})" if whole else rf".*\.(?:{pattern})", paths, where)
        if not ends:
            unmatched.append(pattern)
        for path in ends:
            found.setdefault(re.escape(path if whole else path.partition(".")[2]), value)
    if unmatched:
        raise RecipeError(
            f"{unmatched} did not match any targeted module",
            where=where,
            fix="name ends of paths of what target_modules has",
        )
    return found

"""Regular expressions over paths in configurations of `peft`, made into paths before `peft` sees them.

`peft` matches them by `re`, which may take for ever; a component's configuration may be anybody's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

from lect import RecipeError
from lect.exchange import matches

#: Methods that look for a key behind a dot; of all others it is the end of a path, which may be the whole.
_BEHIND_A_DOT = ("C3A", "FOURIERFT")
_SECONDS = 10.0
_PLAIN = re.compile(r"[\w.|()\\^$-]*")


def matching(pattern: str, paths: Sequence[str], where: str, said: str | None = None) -> list[str]:
    """The paths that a regular expression matches as a whole.

    Args:
        said: what a user knows it by, where that is another.

    Raises:
        RecipeError: it cannot be used.
    """
    try:
        return [path for path, found in zip(paths, matches(pattern, paths), strict=True) if found]
    except ValueError as error:
        raise RecipeError(f'"{(said or pattern)[:200]}" {error}', where=where) from None


def values_by_path(
    pattern: Mapping[str, Any], kind: str, paths: Sequence[str], where: str
) -> tuple[dict[str, Any], set[str]]:
    """What a pattern of `peft` (ranks, say) gives these paths, and the keys that none of them comes under.

    Args:
        pattern: values by regular expressions; a path has the value of the first that it matches.
        kind: the method's name in `peft`.
        paths: of modules.

    Raises:
        RecipeError: an expression cannot be used, or all together take too long.
    """
    found: dict[str, Any] = {}
    unmatched = set()
    begun = monotonic()
    for key, value in pattern.items():
        if monotonic() - begun > _SECONDS:
            raise RecipeError(f"its {len(pattern):,} patterns take longer than {_SECONDS:g} s to match", where=where)
        # As `peft` writes them. What stands behind the end of an alternative is no matter to it.
        ends = rf"(?:.*\.{key}$).*" if kind in _BEHIND_A_DOT else rf"(.*\.)?({key})$"
        under = matching(ends, paths, where, said=key)
        for path in under:
            found.setdefault(path, value)
        if not under and key not in paths:
            unmatched.add(key)
    # A path in full has its own value where it comes under no key.
    return {path: pattern[path] for path in paths if path in pattern} | found, unmatched


def resolved_patterns(settings: Mapping[str, Any], kind: str, paths: Sequence[str], where: str) -> dict[str, Any]:
    """The settings that hold patterns, with the very paths in their place, so that each matches one path alone.

    Args:
        kind: the method's name in `peft`.
        paths: of the projections that are changed.

    Raises:
        RecipeError: a pattern matches none of them, or cannot be used.
    """
    resolved: dict[str, Any] = {}
    for name, value in settings.items():
        if name.endswith("_pattern") and isinstance(value, Mapping) and value:
            resolved[name] = _by_path(value, kind, paths, f"{where}, {name}")
    if isinstance(excluded := settings.get("exclude_modules"), str) and excluded:
        resolved["exclude_modules"] = matching(excluded, paths, f"{where}, exclude_modules") or None
    return resolved


def check_lists(names: Sequence[str], where: str) -> None:
    """Refuse names of lists of layers that are patterns with repeats. Raises `RecipeError`."""
    for name in names:
        if not _PLAIN.fullmatch(str(name)):
            raise RecipeError(
                f'"{name}" should be the name of a list of layers, without repeats', where=f"{where}, layers_pattern"
            )


def _by_path(values: Mapping[str, Any], kind: str, paths: Sequence[str], where: str) -> dict[str, Any]:
    """The value of each path that a key matches, by an expression that matches this path alone."""
    found, unmatched = values_by_path(values, kind, paths, where)
    if unmatched:
        raise RecipeError(
            f"{[key for key in values if key in unmatched]} did not match any targeted module",
            where=where,
            fix="name ends of paths of what target_modules has",
        )
    return {_alone(path, kind): value for path, value in found.items()}


def _alone(path: str, kind: str) -> str:
    if kind not in _BEHIND_A_DOT:
        return f"^{re.escape(path)}"
    first, _, rest = path.partition(".")
    return rf"(?<=^{re.escape(first)}\.){re.escape(rest)}"

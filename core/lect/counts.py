"""Numbers of things in messages, and the first of many."""

from __future__ import annotations

from collections.abc import Sequence


def number_of(count: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun: ``1 epoch``, ``1,200 steps``.

    Args:
        plural: where it is not the noun with an s.
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def some_of(names: Sequence[str], most: int = 4) -> str:
    """The first names, and how many more there are: ``lang:jav, lang:sun and 7 more``."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

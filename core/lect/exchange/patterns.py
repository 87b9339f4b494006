"""Regular expressions from strangers' files: matched within a time, or refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod

LONGEST = 1000
"""The most characters of a pattern."""
_SECONDS = 2.0
_MOST_REPEATS = 10_000
_COUNTED = re.compile(r"\{\s*(\d*)\s*(?:,\s*(\d*)\s*)?\}")


def matches(pattern: str, texts: Sequence[str]) -> list[bool]:
    """Which texts a regular expression matches as a whole.

    Matching is by backtracking, whose time may double with each letter; it is cut off after seconds for all texts
    together. What `re` takes means here what it means there.

    Raises:
        ValueError: it is no regular expression, or takes too long; says which.
    """
    import regex

    if len(pattern) > LONGEST:
        raise ValueError(f"is longer than {LONGEST:,} characters")
    # Compiling writes counted repeats out.
    if prod(max(map(int, filter(None, found.groups())), default=1) or 1 for found in _COUNTED.finditer(pattern)) > (
        _MOST_REPEATS
    ):
        raise ValueError("repeats something more often than any path has letters")
    try:
        compiled = regex.compile(pattern)
        return [compiled.fullmatch(text, timeout=_SECONDS / max(1, len(texts))) is not None for text in texts]
    except TimeoutError:
        raise ValueError(f"takes longer than {_SECONDS:g} s to match") from None
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(f"is not a regular expression ({' '.join(str(error).split())})") from None

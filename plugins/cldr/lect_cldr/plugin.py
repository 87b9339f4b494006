"""What this plugin registers."""

from __future__ import annotations

from collections.abc import Iterable

from lect import ReaderSpec, hookimpl


@hookimpl
def lect_register_readers() -> Iterable[ReaderSpec]:
    """Terms in any of CLDR's locales, with their English names or their kinds."""
    from lect_cldr.reader import CLDR

    return (CLDR,)

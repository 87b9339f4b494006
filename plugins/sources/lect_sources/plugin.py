"""What this plugin registers."""

from __future__ import annotations

from collections.abc import Iterable

from lect import ReaderSpec, hookimpl


@hookimpl
def lect_register_readers() -> Iterable[ReaderSpec]:
    """Catalogues of programs' messages, verse texts, glossed texts, and lexicons."""
    from lect_sources import android, apple, arb, elan, flextext, gettext, lexicons, properties, qt, verses, xliff

    modules = (gettext, xliff, qt, android, apple, properties, arb, verses, elan, flextext, lexicons)
    return tuple(spec for module in modules for spec in module.READERS)

"""The language of texts, as components and installed packages know it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import overload

from lect.api.components import library_of
from lect.host import Host
from lect.languages.identify import Identification
from lect.selection.automatic import identifier_of
from lect.storage.library import Library


@overload
def identify(texts: str, *, library: str | Path | Library | None = None) -> Identification: ...  # type: ignore[overload-overlap]
@overload
def identify(texts: Iterable[str], *, library: str | Path | Library | None = None) -> list[Identification]: ...


def identify(
    texts: str | Iterable[str], *, library: str | Path | Library | None = None
) -> Identification | list[Identification]:
    """The language of texts: by the profiles of the components that there are, and by an identifier that is installed.

    Args:
        texts: one, or several.
        library: the folder of components; by default ``./components`` and the user's own.

    Returns:
        For each text its language as a canonical tag, with the probability; None where it is none that is known.

    Example:
        >>> found = lect.identify("a great and happy day")
        >>> found.language is None or 0 <= found.probability <= 1
        True
    """
    identifier = identifier_of(library_of(library), Host.load())
    return identifier(texts) if isinstance(texts, str) else [identifier(text) for text in texts]

"""Where `lect` keeps files of its own: what can be made or fetched again, and what a user trained."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder of what can be made or fetched again: ``LECT_CACHE``, or the platform's place for caches.

    It need not exist yet.
    """
    import platformdirs

    return _named_by("LECT_CACHE") or Path(platformdirs.user_cache_dir("lect", appauthor=False))


def data_folder() -> Path:
    """The folder of what the user trained or installed: ``LECT_HOME``, or the platform's place for user data.

    It need not exist yet.
    """
    import platformdirs

    return _named_by("LECT_HOME") or Path(platformdirs.user_data_dir("lect", appauthor=False))


def _named_by(variable: str) -> Path | None:
    value = os.environ.get(variable, "").strip()
    return Path(value).expanduser().absolute() if value else None

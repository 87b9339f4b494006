"""Which distributions are installed here, by their metadata alone: nothing is imported to know it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata

from lect.versions import __version__

LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "accelerate", "peft", "huggingface-hub")
"""What results and faults hang on."""


def installed_version(distribution: str) -> str | None:
    """The version of a distribution that is installed; None where it is not."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def plugin_versions() -> dict[str, str]:
    """The distributions that bring plugins of any API, `lect` itself left out, by name."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if any(re.fullmatch(r"lect\.v\d+", point.group) for point in distribution.entry_points):
            # What an earlier folder of the path shadows is not what an import would find.
            found.setdefault(name, distribution.version)
    found.pop("lect", None)
    return dict(sorted(found.items()))


def library_versions() -> dict[str, str | None]:
    """The versions of `LIBRARIES`; None where one is not installed."""
    return {name: installed_version(name) for name in LIBRARIES}


def version_lines() -> Iterator[str]:
    """What ``lect --version`` prints: a name and a version on each line."""
    yield f"lect {__version__}"
    yield from (f"{name} {version}" for name, version in plugin_versions().items())
    yield f"Python {sys.version.split()[0]}"
    yield from (f"{name} {version}" for name, version in library_versions().items() if version)

"""What the plugins of this repository provide, so that a message can say which one to install."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from lect.errors import PluginError
from lect.toml import read_toml


@lru_cache(maxsize=1)
def bundled() -> Mapping[tuple[str, str], str]:
    """Kind and name of a spec, and endings of files that readers know → the distribution to install for it.

    Each plugin says it in the table ``tool.lect.provides`` of its ``pyproject.toml``.
    """
    return MappingProxyType({key: distribution for file in _files() for key, distribution in _provided(file)})


def installable(kind: str, known: Collection[str]) -> list[str]:
    """What plugins of this repository would bring of a kind, with how to install each; what is known already is not.

    Args:
        kind: as a spec calls itself.
    """
    found = {f"{name} (pip install {distribution})" for (own, name), distribution in bundled().items()
             if own == kind and name not in known}  # fmt: skip
    return sorted(found)


def _provided(file: Path) -> Iterator[tuple[tuple[str, str], str]]:
    stated = read_toml(file, PluginError)
    for kind, names in stated.get("tool", {}).get("lect", {}).get("provides", {}).items():
        for name in names:
            yield (kind, name), stated["project"]["name"]


def _files() -> list[Path]:
    packaged = Path(__file__).parent / "plugins"
    # Installed from a checkout, the files are where they are kept.
    checkout = Path(__file__).parents[3] / "plugins"
    return sorted(packaged.glob("*.toml")) or sorted(checkout.glob("*/pyproject.toml"))

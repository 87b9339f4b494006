"""What a user means by the name of a plugin, and which plugins are installed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from lect.errors import PluginError, RegistryError, nearest
from lect.host.records import API
from lect.registry.model import PluginEntry
from lect.registry.opened import OpenRegistry
from lect.registry.settings import BUNDLED


@dataclass(frozen=True)
class Requirement:
    """What pip is asked to install.

    Args:
        argument: as pip takes it: a requirement, a wheel, a folder, or a URL.
        sha256: what its file has to hash to, where that is known.
        entry: of the registry it was found in.
    """

    argument: str
    sha256: str | None = None
    entry: PluginEntry | None = None


def resolve(name: str, registries: Sequence[OpenRegistry]) -> Requirement:
    """What a user means by a name: a folder, a wheel, a git URL, a plugin of a registry, else a distribution of PyPI.

    Raises:
        PluginError: it is none of these, was withdrawn, or is written for another API.
    """
    if name.startswith("-"):
        raise PluginError(f'"{name}" is no plugin', fix="name one, such as lora")
    if name.startswith("git+") or re.match(r"https?://", name):
        return Requirement(name)
    path = Path(name).expanduser()
    if "/" in name or name.endswith(".whl") or path.is_dir():
        return Requirement(str(_existing(path)))
    wanted = normal_name(name)
    for registry in registries:
        for entry in registry.index.plugins():
            if wanted in (normal_name(entry.name), normal_name(entry.distribution)):
                return _of_entry(entry, registry)
    known = [entry.distribution for registry in registries for entry in registry.index.plugins()]
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?([<>=!~]=?[A-Za-z0-9.*,<>=!~-]+)?", name) and "-" in name:
        return Requirement(name)
    raise PluginError(f'no registry knows a plugin "{name}"', fix=nearest(name, known))


def distribution_of(name: str) -> str:
    """The installed distribution that a plugin's name, or its own, stands for.

    Raises:
        PluginError: there is none, or it is `lect` itself.
    """
    known = {}
    for point in metadata.entry_points(group=f"lect.v{API}"):
        if point.dist is not None:
            known[normal_name(point.name)] = known[normal_name(point.dist.name)] = point.dist.name
    found = known.get(normal_name(name))
    if found is None:
        raise PluginError(f'no plugin "{name}" is installed', fix=nearest(name, sorted(set(known.values()))))
    if normal_name(found) == "lect":
        raise PluginError(f'"{name}" is part of lect itself', fix="it cannot be taken out by itself")
    return found


def _of_entry(entry: PluginEntry, registry: OpenRegistry) -> Requirement:
    if entry.yanked is not None:
        raise PluginError(f"{entry.distribution} {entry.version} was withdrawn: {entry.yanked}", fix="choose another")
    if entry.api != API:
        raise PluginError(
            f"{entry.distribution} {entry.version} is written for API {entry.api}, and this lect has API {API}",
            fix="upgrade lect" if entry.api > API else "ask its author for a newer version",
        )
    if entry.source == "pypi":
        return Requirement(f"{entry.distribution}=={entry.version}", entry.sha256, entry)
    if entry.source.startswith("git+"):
        return Requirement(entry.source, entry.sha256, entry)
    if entry.source.startswith("https://"):
        return Requirement(_hashed(entry.source, entry), entry.sha256, entry)
    source = registry.sources[0]
    if source.kind == "folder":
        path = (Path(source.place) / entry.source).resolve()
        if not path.is_relative_to(Path(source.place).resolve()):
            raise RegistryError("leaves the registry", where=f"{registry.name}, plugin {entry.name}, source")
        if registry.name == BUNDLED and not path.exists():
            # The registry came in a wheel, without the folders beside it.
            return Requirement(f"{entry.distribution}=={entry.version}", entry.sha256, entry)
        return Requirement(str(_existing(path)), entry.sha256, entry)
    if source.kind == "web":
        return Requirement(_hashed(f"{source.place}{entry.source}", entry), entry.sha256, entry)
    raise RegistryError("plugins are not installed from the hub", where=registry.name, fix="ask for it on PyPI")


def _hashed(url: str, entry: PluginEntry) -> str:
    """A URL with the file's hash, which pip compares before it opens the file."""
    return f"{url}#sha256={entry.sha256}" if entry.sha256 and "#" not in url else url


def _existing(path: Path) -> Path:
    if not path.exists():
        raise PluginError("there is no such file or folder", where=str(path), fix="name a wheel or a plugin's folder")
    return path.absolute()


def normal_name(name: str) -> str:
    """A distribution's name in the one form that equal names share (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()

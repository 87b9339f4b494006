"""Plugins by pip, in the environment that `lect` runs in: looked at before they change anything."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from lect.errors import PluginError, RegistryError, nearest
from lect.host.records import API
from lect.registry.model import PluginEntry
from lect.registry.opened import OpenRegistry
from lect.registry.settings import BUNDLED

CORE = ("lect", "torch", "transformers", "tokenizers", "safetensors", "numpy", "pluggy", "pydantic")
"""What everything else stands on: a plugin never changes these unasked."""


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


@dataclass(frozen=True)
class Change:
    """A distribution that would be installed.

    Args:
        before: the version that is there; None where there is none.
    """

    name: str
    before: str | None
    after: str


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
    wanted = _normal(name)
    for registry in registries:
        for entry in registry.index.plugins():
            if wanted in (_normal(entry.name), _normal(entry.distribution)):
                return _of_entry(entry, registry)
    known = [entry.distribution for registry in registries for entry in registry.index.plugins()]
    if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?([<>=!~]=?[A-Za-z0-9.*,<>=!~-]+)?", name) and "-" in name:
        return Requirement(name)
    raise PluginError(f'no registry knows a plugin "{name}"', fix=nearest(name, known))


def preview(requirements: Sequence[Requirement], *, upgrade: bool = False) -> list[Change]:
    """What installing would change, found out without changing anything.

    Raises:
        PluginError: pip cannot find, build or reconcile it; or it would change what everything stands on.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        _pip(["install", "--dry-run", "--report", str(report), *_arguments(requirements, upgrade, Path(folder))])
        items = json.loads(report.read_text("utf-8")).get("install", [])
    changes = []
    for item in items:
        name, version = str(item["metadata"]["name"]), str(item["metadata"]["version"])
        changes.append(Change(name, installed_version(name), version))
    for change in changes:
        if _normal(change.name) in CORE and change.before is not None and change.before != change.after:
            raise PluginError(
                f"it would change {change.name} {change.before}, on which everything else stands, to {change.after}",
                fix="choose another version of the plugin, or make a new environment for it",
            )
    return changes


def install(requirements: Sequence[Requirement], *, upgrade: bool = False) -> None:
    """Install them. Raises `PluginError` with pip's own last words."""
    with tempfile.TemporaryDirectory() as folder:
        _pip(["install", *_arguments(requirements, upgrade, Path(folder))])


def uninstall(distributions: Sequence[str]) -> None:
    """Take distributions out of the environment. Raises `PluginError`."""
    _pip(["uninstall", "--yes", *distributions])


def distribution_of(name: str) -> str:
    """The installed distribution that a plugin's name, or its own, stands for.

    Raises:
        PluginError: there is none, or it is `lect` itself.
    """
    known = {}
    for point in metadata.entry_points(group=f"lect.v{API}"):
        if point.dist is not None:
            known[_normal(point.name)] = known[_normal(point.dist.name)] = point.dist.name
    found = known.get(_normal(name))
    if found is None:
        raise PluginError(f'no plugin "{name}" is installed', fix=nearest(name, sorted(set(known.values()))))
    if _normal(found) == "lect":
        raise PluginError(f'"{name}" is part of lect itself', fix="it cannot be taken out by itself")
    return found


def installed_version(distribution: str) -> str | None:
    """The version of a distribution that is installed; None where it is not."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


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
    if entry.source.startswith(("git+", "https://")):
        return Requirement(entry.source, entry.sha256, entry)
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
        return Requirement(f"{source.place}{entry.source}", entry.sha256, entry)
    raise RegistryError("plugins are not installed from the hub", where=registry.name, fix="ask for it on PyPI")


def _existing(path: Path) -> Path:
    if not path.exists():
        raise PluginError("there is no such file or folder", where=str(path), fix="name a wheel or a plugin's folder")
    return path.absolute()


def _arguments(requirements: Sequence[Requirement], upgrade: bool, folder: Path) -> list[str]:
    """Pip's arguments, with the present versions of what everything stands on as constraints."""
    pinned = [f"{name}=={version}" for name in CORE[1:] if (version := installed_version(name))]
    constraints = folder / "constraints.txt"
    # Local versions (2.5+cpu) are left out of the comparison, as no index has them.
    constraints.write_text("\n".join(line.partition("+")[0] for line in pinned), encoding="utf-8")
    options = ["--constraint", str(constraints), *(["--upgrade"] if upgrade else [])]
    hashed = [requirement for requirement in requirements if requirement.sha256]
    for requirement in hashed:
        _check_hash(requirement)
    return [*options, *(requirement.argument for requirement in requirements)]


def _check_hash(requirement: Requirement) -> None:
    """Compare a local wheel with the registry's hash, and hand others' to pip as a URL fragment's."""
    from lect.registry.blobs import hash_of

    path = Path(requirement.argument)
    if path.is_file() and (found := hash_of(path)) != requirement.sha256:
        raise PluginError(
            f"is not the file that the registry lists: its SHA-256 is {found}, and should be {requirement.sha256}",
            where=str(path),
            fix="tell whoever runs the registry",
        )


def _pip(arguments: Sequence[str]) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR:")] or said[-1:]
    if any("No module named pip" in line for line in said):
        raise PluginError("this environment has no pip", fix=f"{sys.executable} -m ensurepip")
    raise PluginError(
        " / ".join(re.sub(r"://[^/@\s]+@", "://", line) for line in errors[:3]) or "pip failed",
        where="pip",
        fix="see above, or run pip yourself",
    )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

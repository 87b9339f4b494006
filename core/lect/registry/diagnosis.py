"""What is wrong with this installation, and what mends it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from lect.cache import cache_folder, data_folder
from lect.errors import UserError
from lect.host import Host
from lect.installed import library_versions, plugin_versions
from lect.versions import __version__


@dataclass(frozen=True)
class Finding:
    """Something that was looked at.

    Args:
        fix: what to do, where something is wrong.
    """

    subject: str
    state: Literal["ok", "note", "wrong"]
    what: str
    fix: str | None = None


def diagnose(host: Host) -> Iterator[Finding]:
    """Everything that was looked at, in the order in which it matters."""
    for look in (_versions, _conflicts):
        yield from look()
    yield from _plugins(host)
    for look in (_folders, _cache, _registries, _components, _hardware):
        yield from _safely(look)


def _safely(look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except (UserError, OSError) as error:
        yield Finding(look.__name__.strip("_"), "wrong", str(error))


def _versions() -> Iterator[Finding]:
    found = ", ".join(f"{name} {version or 'missing'}" for name, version in library_versions().items())
    yield Finding("versions", "ok", f"lect {__version__}, Python {sys.version.split()[0]}, {found}")


def _conflicts() -> Iterator[Finding]:
    """Every requirement of an installed plugin, or of `lect`, that is not met."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    installed = {canonicalize_name(each.name): each.version for each in metadata.distributions() if each.name}
    met = True
    for distribution in ("lect", *plugin_versions()):
        try:
            required = metadata.requires(distribution) or []
        except metadata.PackageNotFoundError:
            continue
        for line in required:
            try:
                requirement = Requirement(line)
            except InvalidRequirement:
                continue
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            found = installed.get(canonicalize_name(requirement.name))
            if found is None or not requirement.specifier.contains(found, prereleases=True):
                met = False
                there = f"{requirement.name} {found} is installed" if found else f"{requirement.name} is not installed"
                wanted = f"{requirement.name}{requirement.specifier}"
                yield Finding(
                    "conflict", "wrong", f"{distribution} needs {wanted}, and {there}", f'pip install "{wanted}"'
                )
    if met:
        yield Finding("conflicts", "ok", "what lect and its plugins need is installed")


def _plugins(host: Host) -> Iterator[Finding]:
    for record in host.plugins:
        if record.status == "ok":
            continue
        if record.status == "blocked":
            yield Finding("plugin", "note", f"{record.name} is left out, as was asked for")
            continue
        yield Finding(
            "plugin",
            "wrong",
            f"{record.name} ({record.distribution} {record.version}) is {record.status}: {record.error}",
            f"lect upgrade {record.distribution}, or lect uninstall {record.distribution}",
        )
    good = [record.name for record in host.plugins if record.status == "ok"]
    yield Finding("plugins", "ok", f"{len(good)} work: {', '.join(good)}")


def _folders() -> Iterator[Finding]:
    for name, variable, folder in (("cache", "LECT_CACHE", cache_folder()), ("home", "LECT_HOME", data_folder())):
        place = next(place for place in (folder, *folder.parents) if place.exists())
        if not os.access(place, os.W_OK):
            yield Finding(name, "wrong", f"{folder} cannot be written", f"set {variable} to a folder of yours")
            continue
        free = shutil.disk_usage(place).free
        state: Literal["ok", "wrong"] = "ok" if free > 2e9 else "wrong"
        fix = None if state == "ok" else f"free some space, or set {variable} to another disk"
        yield Finding(name, state, f"{folder}, {free / 1e9:.1f} GB free", fix)


def _cache() -> Iterator[Finding]:
    from lect.files import hash_of
    from lect.registry.blobs import Blobs

    blobs = Blobs.default()
    every = blobs.all()
    bad = [path for path in every if hash_of(path) != path.name]
    size = sum(path.stat().st_size for path in every)
    if bad:
        yield Finding(
            "cache", "wrong", f"{len(bad)} of {len(every)} fetched files are damaged, such as {bad[0].name}",
            "lect verify, then pull again what it names; damaged files are fetched anew",
        )  # fmt: skip
    else:
        yield Finding("cache", "ok", f"{len(every)} fetched files, {size / 1e6:.1f} MB, all whole")
    if unfinished := blobs.unfinished():
        yield Finding("cache", "note", f"{len(unfinished)} files are unfinished", "pull again, or lect components gc")


def _registries() -> Iterator[Finding]:
    from lect.registry.settings import known_registries
    from lect.registry.sources import parse_source

    for known in known_registries():
        try:
            source = parse_source(known.source)
            yield Finding("registry", "ok", f"{known.name}: {source}")
        except UserError as error:
            yield Finding("registry", "wrong", f"{known.name}: {error}", f"lect registry remove {known.name}")


def _components() -> Iterator[Finding]:
    from lect.registry.verify import problems_of
    from lect.storage.library import Library

    sound = 0
    for listing in Library.default().all():
        if problems := problems_of(listing.folder):
            fix = f"lect components remove {listing.reference}, then pull or train it again"
            yield Finding("component", "wrong", problems[0], fix)
        else:
            sound += 1
    yield Finding("components", "ok", f"{sound} are sound")


def _hardware() -> Iterator[Finding]:
    import torch

    from lect.device import default_device
    from lect.training.optimisation import choose_precision

    device = default_device()
    where = torch.cuda.get_device_name() if str(device).startswith("cuda") else f"{os.cpu_count()} cores"
    yield Finding("hardware", "ok", f"{device} ({where}), {torch.get_num_threads()} threads")
    precision = choose_precision("auto", device)
    yield Finding("precision", "ok", f"training takes {precision.name}: {precision.reason}")

"""Finds installed plugins without importing any of them."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lect.host.records import API, ESSENTIAL, PluginRecord
from lect.versions import __version__

_GROUP = re.compile(r"lect\.v(\d+)")


@dataclass(frozen=True)
class Candidate:
    """A plugin that is installed: where it is from, and the entry point that loads it."""

    name: str
    distribution: str
    version: str
    api: int
    entry_point: importlib.metadata.EntryPoint

    @property
    def package(self) -> str:
        """The import name of the package its code is in."""
        return self.entry_point.value.partition(":")[0].strip().partition(".")[0]

    def matches(self, wanted: str) -> bool:
        """Whether a user who wrote `wanted` means this one: the plugin's name, or its distribution's."""
        return wanted == self.name or _normalised(wanted) == _normalised(self.distribution)

    def record(self) -> PluginRecord:
        """Its record while nothing more is known."""
        return PluginRecord(self.name, self.distribution, self.version, self.api)


def discover(path: Sequence[str] | None = None) -> list[Candidate]:
    """Every plugin in the folders of `path` (by default `sys.path`), the essential one first, the others by name."""
    found = {(candidate.name, candidate.distribution): candidate for candidate in _installed(path)}
    return [_essential(), *(found[key] for key in sorted(found))]


def _essential() -> Candidate:
    entry_point = importlib.metadata.EntryPoint(ESSENTIAL, "lect.builtins.plugin", f"lect.v{API}")
    return Candidate(ESSENTIAL, "lect", __version__, API, entry_point)


def _installed(path: Sequence[str] | None) -> Iterator[Candidate]:
    folders = list(sys.path if path is None else map(str, path))
    names = {
        distribution.metadata["Name"]
        for distribution in importlib.metadata.distributions(path=folders)
        # Most are ruled out by a look at the file, which costs far less than reading it.
        if "lect.v" in (distribution.read_text("entry_points.txt") or "")
        and any(_GROUP.fullmatch(entry_point.group) for entry_point in distribution.entry_points)
    }
    for name in sorted(name for name in names if name):
        # What an earlier folder of the path shadows is not what an import would find, so the first one counts.
        distribution = next(iter(importlib.metadata.distributions(name=name, path=folders)))
        ours = [(int(m[1]), e) for e in distribution.entry_points if (m := _GROUP.fullmatch(e.group))]
        # One that serves this API keeps quiet about the others it serves too; so it comes last and overwrites.
        for api, entry_point in sorted(ours, key=lambda pair: (pair[0] == API, pair[0])):
            yield Candidate(entry_point.name, name, distribution.version, api, entry_point)


def _normalised(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()

"""The licence that lies beside data, by the file that says it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lect.storage.licences import licence_conflicts

UNSTATED = "no licence is stated, and lect push will ask for one: --licence CC-BY-4.0, say"
"""What is noted where none is."""
_FILES = re.compile(r"(?i)(licen[cs]e|copying)([-_.]\w+)?(\.(txt|md))?")
_SIZE = 20_000
_CREATIVE = re.compile(
    r"(?i)(?:creative commons |CC[ -])(?P<how>(?:BY|attribution)(?:[ -](?:NC|non-?commercial))?"
    r"(?:[ -](?:SA|share-?alike)|[ -](?:ND|no-?derivatives?|noderivs))?)[ -](?P<version>\d\.\d)"
)
_OTHERS = (
    (re.compile(r"(?i)apache licen[cs]e,?\s+version 2\.0"), "Apache-2.0"),
    (re.compile(r"(?i)\bCC0\b|public domain dedication"), "CC0-1.0"),
    (re.compile(r"(?i)\bMIT licen[cs]e\b|permission is hereby granted, free of charge"), "MIT"),
    (re.compile(r"(?i)unicode licen[cs]e"), "Unicode-3.0"),
    (re.compile(r"(?i)gnu general public licen[cs]e\s+version 3"), "GPL-3.0-only"),
)


@dataclass(frozen=True)
class Licences:
    """What the licences of files are.

    Args:
        by_file: as SPDX writes them, by the file as the user named it; what has none is absent.
        told: the files that say so.
    """

    by_file: Mapping[str, str]
    told: tuple[str, ...] = ()

    @property
    def fitting(self) -> str:
        """The licence of what is made of all of them: one that keeps to all; "" where there is none."""
        stated = sorted(set(self.by_file.values()))
        sources = list(self.by_file.items())
        return next((each for each in stated if not licence_conflicts(each, sources)), "")


def licences_of(named: Iterable[str], stated: str | None = None) -> Licences:
    """The licences of files: what the user states, or else what lies beside them.

    Args:
        stated: of all of them; "" for none.
    """
    if stated is not None:
        return Licences(dict.fromkeys(named, stated) if stated else {})
    found = {name: licence_beside(Path(name.split("*")[0]).expanduser()) for name in named}
    told = tuple(dict.fromkeys(file for each in found.values() if each for file in each[1:]))
    return Licences({name: each[0] for name, each in found.items() if each}, told)


def licence_beside(path: Path) -> tuple[str, str] | None:
    """The licence, as SPDX writes it, and the file that says it; None where none lies beside the data or above it."""
    folder = path if path.is_dir() else path.parent
    for place in (folder, *list(folder.resolve().parents)[:1]):
        if not place.is_dir():
            continue
        for file in sorted(place.iterdir()):
            if file.is_file() and _FILES.fullmatch(file.name) and (found := licence_in(file)):
                return found, file.name
    return None


def licence_in(file: Path) -> str | None:
    """The licence that a file's beginning names."""
    try:
        with file.open("rb") as opened:
            text = " ".join(opened.read(_SIZE).decode("utf-8", "replace").split())
    except OSError:
        return None
    if found := _CREATIVE.search(text):
        words = found["how"].lower().replace("-", "").replace(" ", "")
        parts = ["BY"]
        parts += ["NC"] if "nc" in words or "noncommercial" in words else []
        parts += ["SA"] if "sa" in words[2:] or "sharealike" in words else []
        parts += ["ND"] if "nd" in words or "noderiv" in words else []
        return f"CC-{'-'.join(parts)}-{found['version']}"
    return next((name for pattern, name in _OTHERS if pattern.search(text)), None)

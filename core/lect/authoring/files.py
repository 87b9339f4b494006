"""The files that a user named: which of them are for training and which for testing, and where a recipe finds them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from lect.authoring.detect import Detected
from lect.authoring.folders import readable_files
from lect.authoring.languages import named_language
from lect.errors import DataError

Split = Literal["train", "validation", "test"]
_SPLITS: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "devtest": "test",
    "eval": "test",
}
_PATHS = ("path", "text", "translation")
_PLAIN = frozenset(
    [
        "data",
        "dataset",
        "train",
        "training",
        "text",
        "texts",
        "all",
        "labels",
        "labelled",
        "labeled",
        "rows",
        "corpus",
        "file",
    ]
)


def by_split(named: Sequence[str]) -> dict[Split, list[str]]:
    """Files by what their names say they are for; a folder with a file for each is taken as its files.

    Raises:
        DataError: none is for training.
    """
    found: dict[Split, list[str]] = {"train": [], "validation": [], "test": []}
    for name in named:
        path = Path(name).expanduser()
        inside = readable_files(path) if path.is_dir() else []
        if len({split_of(file.name) for file in inside}) > 1:
            for file in inside:
                found[split_of(file.name)].append(str(file))
        else:
            found[split_of(path.name) if len(named) > 1 else "train"].append(name)
    if not found["train"]:
        raise DataError(
            "no file is to train on, by their names", where=", ".join(named), fix="give the rows to train on"
        )
    return found


def split_of(name: str) -> Split:
    """What the name of a file says it is for; training where it says nothing."""
    pieces = re.split(r"[._-]+", name.casefold())
    return next((_SPLITS[piece] for piece in pieces if piece in _SPLITS), "train")


def placed(config: Mapping[str, Any], reader: str, folder: Path) -> dict[str, Any]:
    """A reader's configuration for a recipe that lies in a folder: relative paths start from there."""

    def moved(name: str) -> str:
        is_relative = not Path(name).expanduser().is_absolute() and not name.startswith("~")
        return Path(os.path.relpath(name, folder)).as_posix() if is_relative else name

    keys = _PATHS if reader == "parallel" and "path" not in config else ("path",)
    return {
        key: ([moved(each) for each in value] if isinstance(value, list) else moved(value)) if key in keys else value
        for key, value in config.items()
    }


def source_table(found: Detected, output: Path, licence: str = "") -> dict[str, Any]:
    """A table of a recipe that names a source.

    Args:
        output: the recipe's file.
        licence: of the source; "" where none is stated.
    """
    table = {"reader": found.reader, **placed(found.config, found.reader, output.parent)}
    return {**table, "licence": licence} if licence else table


def short_name(named: str, otherwise: str) -> str:
    """A component's name after a file or its folder, whichever says more."""
    path = Path(named)
    for part in (path.name.split(".")[0], *reversed(path.parts[:-1])):
        pieces = [piece for piece in re.split(r"[^A-Za-z0-9]+", part) if piece]
        telling = [piece for piece in pieces if piece.casefold() not in {*_SPLITS, *_PLAIN}]
        if telling and named_language(part) is None:
            return "-".join(telling).lower()[:60]
    return otherwise

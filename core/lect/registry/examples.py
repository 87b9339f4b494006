"""The example recipes that come with `lect`, and copies of them to change."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lect.errors import RecipeError, nearest
from lect.files import write_aside
from lect.registry.settings import bundled_registry

DATA = "../../../shared/data"
"""Where the recipes look for the data sets that they name, seen from their own folder."""


@dataclass(frozen=True)
class ExampleRecipe:
    """A recipe that comes with `lect`.

    Args:
        name: its folder and its file, without the ending: ``topic/task``.
        summary: its first sentence.
        data: the data sets that it reads, by the names of their folders; empty where it needs none.
        needs: the other recipes that it is made of.
    """

    name: str
    summary: str
    data: tuple[str, ...]
    file: Path
    needs: tuple[Path, ...] = ()


def example_recipes() -> list[ExampleRecipe]:
    """All of them, by name. Raises `RecipeError` where this installation has none."""
    place = bundled_registry()
    files = sorted((place / "examples").resolve().glob("*/*.toml")) if place else []
    if not files:
        raise RecipeError("this installation of lect came without examples", fix="install it again")
    return [_example(file) for file in files if file.name != "pyproject.toml"]


def chosen(names: Sequence[str]) -> list[ExampleRecipe]:
    """Those of these names, all of a folder where that is named, and those that they are made of.

    Raises:
        RecipeError: there is none of a name.
    """
    known = example_recipes()
    found: dict[str, ExampleRecipe] = {}
    for name in names:
        wanted = name.removesuffix(".toml").removesuffix("/")
        fitting = [each for each in known if wanted in (each.name, each.name.partition("/")[0])]
        if not fitting:
            raise RecipeError(
                f'there is no example "{name}"',
                fix=f"{nearest(wanted, [each.name for each in known])}; lect examples list",
            )
        needed = [path for each in fitting for path in each.needs]
        found.update((each.name, each) for each in known if each in fitting or each.file in needed)
    return list(found.values())


def copy_examples(
    examples: Sequence[ExampleRecipe], output: Path, *, data: Path | None = None, overwrite: bool = False
) -> list[Path]:
    """Copies under `output`, each in the folder of its name.

    Args:
        data: the folder of the data sets; the recipes are made to look there, by the way from them where it is a
            relative one.
        overwrite: whether files that are there are replaced.

    Raises:
        RecipeError: a file is there; nothing is written then.
    """
    targets = [output / f"{each.name}.toml" for each in examples]
    there = [path for path in targets if path.exists()]
    if there and not overwrite:
        raise RecipeError("is there already", where=str(there[0]), fix="choose another --output, or add --force")
    for each, target in zip(examples, targets, strict=True):
        text = each.file.read_text("utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        if data is not None:
            seen = data if data.is_absolute() else Path(os.path.relpath(data, target.parent))
            # What comments tell to type is read from the present folder.
            parts = re.split(rf"({re.escape(DATA)}|\.\./shared/data)", text)
            places = {DATA: seen.as_posix(), "../shared/data": data.as_posix()}
            text = "".join(places.get(part, part) for part in parts)
        write_aside(target, text)
    return targets


def seen_data(output: Path) -> Path:
    """Where copies under `output` look for data sets, unless told otherwise."""
    return Path(os.path.relpath(output / "name" / DATA))


def _example(file: Path) -> ExampleRecipe:
    text = file.read_text("utf-8")
    comment = re.match(r"(?:#[^\n]*\n)*", text)
    prose = " ".join(line.lstrip("# ") for line in comment.group().splitlines()) if comment else ""
    summary = re.split(r"(?<=[.:;])\s", prose, maxsplit=1)[0].rstrip(":;")
    made_of = _made_of(file, text)
    texts = [text, *(path.read_text("utf-8") for path in made_of)]
    sets = [name for each in texts for name in re.findall(rf"{re.escape(DATA)}/([\w-]+)", each)]
    return ExampleRecipe(f"{file.parent.name}/{file.stem}", summary, tuple(dict.fromkeys(sets)), file, made_of)


def _made_of(file: Path, text: str) -> tuple[Path, ...]:
    """The other recipes that its fields name."""
    named = re.findall(r'^[^#\n]*"([\w./-]+\.toml)"', text, re.MULTILINE)
    return tuple(path for name in dict.fromkeys(named) if (path := (file.parent / name).resolve()).is_file())

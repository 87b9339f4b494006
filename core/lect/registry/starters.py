"""Entering what a recipe trained as starters: the recipe, and what whoever trains it again should get."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.composition.references import Reference
from lect.errors import RegistryError
from lect.files import write_aside
from lect.registry.entries import with_starters
from lect.registry.folder import read_folder_registry
from lect.registry.format import FILE
from lect.registry.model import StarterEntry, parse_registry
from lect.registry.push import locked
from lect.registry.rebuild import environment
from lect.storage.library import Library
from lect.storage.store import read_folder_manifest, weights_hash
from lect.toml import parse_toml

if TYPE_CHECKING:
    from lect.recipes.recipe import Recipe
    from lect.storage.manifest import ResultEntry

_SINGLE_THREAD = re.compile(r"\b1 threads?\b")
"""How a manifest says that sums were added up in the one order in which `rebuild` adds them."""


def enter_starters(
    recipe: Path, registry: Path, library: Library, languages: Sequence[str] = ()
) -> tuple[StarterEntry, ...]:
    """List components that a recipe trained on this machine as starters of a registry in a folder.

    Each entry has the hash of the component's weights, its gate and its results. What is listed under the same name is
    replaced.

    Args:
        recipe: a file in the registry's folder, of one component or of a fleet.
        languages: of a fleet; those that it names where none are given.

    Raises:
        RegistryError: the recipe lies elsewhere, or a component is not what it gives, or was trained on several
            threads, whose sums no other machine repeats.
        UserError: the recipe, the registry or a component is wrong.
    """
    place = os.path.relpath(recipe, registry)
    if place.startswith(".."):
        raise RegistryError("lies outside of the registry", where=str(recipe), fix=f"put it under {registry}")
    entries = tuple(_entry(own, place, language, library) for language, own in _recipes(recipe, languages))
    with locked(registry):
        read_folder_registry(registry)
        text = with_starters((registry / FILE).read_text("utf-8"), entries)
        parse_registry(text, where=str(registry / FILE))
        write_aside(registry / FILE, text)
    return entries


def _recipes(file: Path, languages: Sequence[str]) -> list[tuple[str, Recipe]]:
    """The recipe for each language of a fleet; of another recipe itself, for ""."""
    from lect.fleet.plan import plan_fleet
    from lect.recipes.recipe import load_recipe
    from lect.recipes.values import recipe_values

    if languages or "fleet" in recipe_values(file):
        return [(run.language, run.recipe) for run in plan_fleet(file, languages)]
    return [("", load_recipe(file))]


def _entry(recipe: Recipe, file: str, language: str, library: Library) -> StarterEntry:
    own = recipe.component
    folder = library.find(Reference(own.role, own.name))
    manifest = read_folder_manifest(folder)
    trained = manifest.training
    before, now = _values(trained.recipe or "" if trained else ""), _values(recipe.to_toml())
    if trained is None or _without_places(before) != _without_places(now):
        raise RegistryError("was not trained by this recipe", where=f"{recipe.key}, {file}", fix="train it again")
    if not _SINGLE_THREAD.search(trained.hardware):
        raise RegistryError(
            f"was trained on {trained.hardware}, and a starter is trained on one thread",
            where=recipe.key,
            fix="train it again with OMP_NUM_THREADS=1",
        )
    return StarterEntry(
        name=own.name,
        version=own.version,
        role=own.role,
        languages=own.languages,
        licence=own.licence,
        summary=own.summary,
        recipe=file,
        language=language,
        weights=weights_hash(folder),
        environment=environment(),
        gate=manifest.gate,
        results=tuple(_placed(result, before, now) for result in manifest.results),
    )


def _values(recipe: str) -> dict[str, Any]:
    values = parse_toml(recipe, RegistryError, where="its recipe")
    values.pop("output", None)
    return values


def _without_places(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a recipe says, with files by their names alone: they may lie elsewhere by now."""
    named = copy.deepcopy(dict(values))
    for source in _sources(named):
        source.update({name: Path(value).name for name, value in source.items() if isinstance(value, str)})
    return named


def _placed(result: ResultEntry, trained: Mapping[str, Any], recipe: Mapping[str, Any]) -> ResultEntry:
    """A result, with files where the recipe says that they are, and not where this machine had them."""
    dataset = result.dataset
    for source, own in zip(_sources(trained), _sources(recipe), strict=True):
        for name, value in source.items():
            if isinstance(value, str) and "/" in value:
                dataset = dataset.replace(value, own.get(name, value))
    return result.model_copy(update={"dataset": dataset})


def _sources(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = (table for own in values.get("data", {}).values() for table in (own if isinstance(own, list) else [own]))
    return [table for table in found if isinstance(table, dict)]

"""Results of a registry's components, computed again where their data is at hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lect.errors import BackboneError, RecipeError, UserError
from lect.literals import Progress
from lect.registry.folder import read_folder_registry
from lect.registry.model import ComponentEntry, Registry
from lect.storage.library import Library
from lect.storage.manifest import Manifest, TrainingEntry
from lect.storage.store import read_folder_manifest

if TYPE_CHECKING:
    from lect.host import Host
    from lect.recipes.recipe import Recipe

VALIDATION = "validation: "
"""How the data set of a result begins that the run itself took."""


@dataclass(frozen=True)
class Recomputed:
    """What came of computing one component's results again.

    Args:
        compared: how many scores were.
        problems: a clause for each that is another now.
        missing: why nothing could be computed; "" where something was.
    """

    reference: str
    compared: int = 0
    problems: tuple[str, ...] = ()
    missing: str = ""


def recompute_results(
    folder: Path, host: Host, *, data: Path, tolerance: float, progress: Progress | None = None
) -> Iterator[Recomputed]:
    """Score every component on the validation rows of its own recipe, and compare with what it says.

    What it stands on, and the stack beneath it, are taken from the registry first. A recipe names files to be read: for
    registries whose recipes are trusted only.

    Args:
        data: where relative paths of recipes start.
        tolerance: how far a score may be from the stated one; for scores above 1, as a share of it.

    Raises:
        RegistryError: the registry cannot be read.
    """
    registry = read_folder_registry(folder)
    with TemporaryDirectory() as name:
        library = Library((_linked(registry, folder, Path(name)), *Library.default().folders))
        for number, entry in enumerate(registry.components):
            if progress:
                progress(f"computing {entry.reference}", number / len(registry.components))
            try:
                yield _recomputed(entry, folder / entry.place, host, library, data, tolerance)
            except UserError as error:
                yield Recomputed(entry.reference, missing=str(error))


def is_as_stated(now: float, stated: float, tolerance: float) -> bool:
    """Whether a score is no further from the stated one than the tolerance; above 1, than so large a share of it."""
    return math.isfinite(now) and abs(now - stated) <= tolerance * max(1.0, abs(stated))


def _linked(registry: Registry, folder: Path, target: Path) -> Path:
    """The registry's components as stacks find them."""
    for entry in registry.components:
        link = target / entry.role / f"{entry.name}@{entry.version}"
        link.parent.mkdir(exist_ok=True)
        link.symlink_to((folder / entry.place).resolve(), target_is_directory=True)
    return target


def _recomputed(
    entry: ComponentEntry, place: Path, host: Host, library: Library, data: Path, tolerance: float
) -> Recomputed:
    manifest = read_folder_manifest(place)
    own = [result for result in manifest.results if result.dataset.startswith(VALIDATION)]
    training = manifest.training
    if not own:
        what = "its results are of other data than its recipe's" if manifest.results else "it states no results"
        return Recomputed(entry.reference, missing=what)
    if training is None or not training.recipe:
        return Recomputed(entry.reference, missing="it has no recipe")
    scores, without = _scores(manifest, training, place, host, library, data)
    problems = list[str]()
    compared = 0
    for result in own:
        for what, stated, now in (
            (result.metric, result.value, scores.get(result.metric)),
            (f"{result.metric} without it", result.without, without.get(result.metric)),
        ):
            if stated is None or (now is None and "without" in what):
                continue
            compared += 1
            if now is None:
                problems.append(f"{what} is stated as {stated:.4g}, and is no score of its recipe")
            elif not is_as_stated(now, stated, tolerance):
                on = result.dataset.removeprefix(VALIDATION)
                problems.append(
                    f"{what} on {on} is stated as {stated:.4g}, and is {now:.4g} when it is computed again "
                    f"(tolerance {tolerance:g})"
                )
    return Recomputed(entry.reference, compared, tuple(problems))


def _scores(
    manifest: Manifest, training: TrainingEntry, place: Path, host: Host, library: Library, data: Path
) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """The scores with and without the component. Raises `UserError` where something is not at hand."""
    import torch

    from lect.composition.encode import RowEncoder
    from lect.composition.model import RoutedModel
    from lect.composition.references import Reference
    from lect.device import default_device
    from lect.host.backbones import load_backbone
    from lect.storage.assemble import finder
    from lect.storage.members import read_with_members
    from lect.training.build import build_components
    from lect.training.inputs import read_inputs

    recipe = _recipe(training, manifest, data)
    inputs = read_inputs(recipe, host, library, seed=training.seed)
    if [each.sha256 for each in inputs.train] != [each.sha256 for each in training.data]:
        raise UserError("the data that is at hand is not what it was trained on", where=str(data))
    reference = Reference(manifest.role, manifest.name, manifest.version)
    stored = replace(read_with_members(reference, finder(library, host)), folder=place)
    table, entry = recipe.backbone, manifest.backbone
    backbone = load_backbone(entry.name, host=host, pooling=table.pooling, prefix=table.prefix, revision=entry.revision)
    if backbone.fingerprint != entry.fingerprint:
        raise BackboneError(f'"{entry.name}" here is not the backbone that it was trained on')
    model = RoutedModel(backbone)
    encoder = RowEncoder(model, recipe.training.max_length)
    [component] = build_components(
        [replace(inputs, trained=stored)],
        model=model,
        encoder=encoder,
        host=host,
        device=default_device(),
        seed=training.seed,
    )
    model.eval()
    with torch.no_grad():
        objective, rows = component.objective, component.validation
        return objective.scores(model, rows), objective.scores_without(model, rows)


def _recipe(training: TrainingEntry, manifest: Manifest, data: Path) -> Recipe:
    from lect.recipes.recipe import recipe_of
    from lect.toml import parse_toml

    name = f"the recipe of {manifest.key}"
    return recipe_of(parse_toml(training.recipe, RecipeError, where=name), name=name, folder=data)

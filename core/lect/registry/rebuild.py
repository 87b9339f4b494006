"""Starter components: not shipped but trained by a recipe, and compared with the weights that a registry lists."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lect.errors import RegistryError, nearest
from lect.literals import Progress
from lect.registry.folder import read_folder_registry
from lect.registry.model import StarterEntry
from lect.registry.recompute import is_as_stated
from lect.storage.library import Library
from lect.storage.store import weights_hash

if TYPE_CHECKING:
    from rich.console import Console

    from lect.host import Host
    from lect.recipes.recipe import Recipe


_TOLERANCE = 0.03
"""By how much a score may differ where sums are rounded otherwise: four rows of 148 that are held out of a corpus."""


@dataclass(frozen=True)
class Compared:
    """A score of a component that was trained here, and the one that is listed."""

    metric: str
    own: float
    listed: float

    @property
    def is_close(self) -> bool:
        """Whether they differ by no more than another order of sums may bring about."""
        return is_as_stated(self.own, self.listed, _TOLERANCE)


@dataclass(frozen=True)
class Rebuilt:
    """A starter component that was trained here.

    Args:
        weights: SHA-256 of its weights.
        environment: what computed them.
        scores: what both have; empty where the registry lists none.
    """

    entry: StarterEntry
    folder: Path
    weights: str
    environment: str
    scores: tuple[Compared, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether its weights are the ones that are listed, to the bit."""
        return self.weights == self.entry.weights

    @property
    def is_as_good(self) -> bool:
        """Whether its weights are others, as another environment gives them, and every score is as listed."""
        if self.is_equal or self.environment == self.entry.environment:
            return False
        return bool(self.scores) and all(score.is_close for score in self.scores)


def starters(registry: Path, references: Sequence[str] = ()) -> list[StarterEntry]:
    """The starter components that a folder's registry lists; these, or all of them. Raises `RegistryError`."""
    known = {entry.key: entry for entry in read_folder_registry(registry).starters}
    for reference in references:
        if reference not in known:
            raise RegistryError(f'there is no starter component "{reference}"', fix=nearest(reference, known))
    return [known[reference] for reference in references] if references else list(known.values())


def starter_recipe(entry: StarterEntry, registry: Path) -> Recipe:
    """The recipe of a starter component. Raises `RegistryError` where it is another component's."""
    from lect.fleet.plan import plan_fleet
    from lect.recipes.recipe import load_recipe

    file = registry / entry.recipe
    recipe = plan_fleet(file, [entry.language])[0].recipe if entry.language else load_recipe(file)
    own = recipe.component
    for field, listed, found in (
        ("name", entry.key, recipe.key),
        ("version", entry.version, own.version),
        ("licence", entry.licence, own.licence),
        ("languages", entry.languages, own.languages),
    ):
        if listed != found:
            raise RegistryError(f"is listed with {field} {listed!r}, and is a recipe of {found!r}", where=str(file))
    return recipe


def rebuild(
    entry: StarterEntry,
    registry: Path,
    host: Host,
    library: Library,
    *,
    console: Console,
    progress: Progress | None = None,
) -> Rebuilt:
    """Train a starter component into the library, on one thread.

    Sums of floating-point numbers depend on their order, which other numbers of threads, processors and versions of
    torch choose otherwise: only what is like the listed environment can give the same bits. Elsewhere the scores on
    rows held out are compared.

    Raises:
        UserError: whatever is wrong with recipe, data or backbone.
    """
    import torch

    from lect.training.prepare import prepare_run
    from lect.training.run import execute_run

    recipe = starter_recipe(entry, registry)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with TemporaryDirectory() as runs:
            run = prepare_run(recipe, host, library, progress=progress, runs=Path(runs))
            [trained] = execute_run(run, console=console)
    finally:
        torch.set_num_threads(threads)
    own = trained.result.scores
    scores = tuple(
        Compared(listed.metric, own[listed.metric], listed.value) for listed in entry.results if listed.metric in own
    )
    return Rebuilt(entry, trained.folder, weights_hash(trained.folder), environment(), scores)


def environment() -> str:
    """What the bits of a training depend on besides its recipe."""
    import torch

    where = torch.cuda.get_device_name() if torch.cuda.is_available() else torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__}, {platform.machine()} {where}, 1 thread"

"""What a recipe names, read: its rows and the stored components. No backbone is needed for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lect.composition.stack import Stack, parse_stack
from lect.data.balance import balance_rows
from lect.data.dataset import Dataset
from lect.data.examples import Example
from lect.data.held_out import hold_out
from lect.data.shots import draw_shots
from lect.data.stored import joined
from lect.host.reading import read_source
from lect.recipes.recipe import Recipe
from lect.recipes.schema import DataTable
from lect.specs import MethodSpec
from lect.storage.assemble import finder, read_stack
from lect.storage.library import Library
from lect.storage.members import read_members
from lect.storage.store import StoredComponent
from lect.training.code_switching import Switching
from lect.training.data import read_switching, read_training, source_of
from lect.training.fingerprint import components_read, files_read
from lect.training.terms import needed_fields

if TYPE_CHECKING:
    from lect.host import Host


@dataclass(frozen=True, kw_only=True)
class RecipeInputs:
    """What the recipe of one component names, read: its rows, and the stored components.

    Args:
        train, validation: a data set a source.
        frozen: the stack beneath the component, less what is trained with it in the same run.
        beneath: all of that stack, by the components' keys.
        target: the stack whose vectors are aimed at.
        stored, stored_target: the components of these two stacks.
        members: what the new component stands on, where it stands on others.
        switching: how training rows are code-switched, where they are.
        beside: the frozen stacks that single sources of the data have in place of `frozen`, by `Example.stack`.
        trained: the component, where it was trained before and is only to be scored.
    """

    recipe: Recipe
    train: tuple[Dataset, ...]
    validation: tuple[Dataset, ...]
    frozen: Stack
    beneath: tuple[str, ...]
    target: Stack
    stored: Sequence[StoredComponent]
    stored_target: Sequence[StoredComponent]
    members: Mapping[str, StoredComponent]
    switching: Switching | None = None
    beside: Mapping[str, tuple[Stack, Sequence[StoredComponent]]] = field(default_factory=dict)
    trained: StoredComponent | None = None

    @property
    def hashes(self) -> dict[str, str]:
        """A hash of each stored component and file that is read beside the rows, by what messages call it."""
        beside = [one for _, others in self.beside.values() for one in others]
        stored = (*self.stored, *self.stored_target, *self.members.values(), *beside)
        return components_read(stored) | files_read(self.recipe)

    @property
    def examples(self) -> Sequence[Example]:
        """The training rows."""
        return joined([data.examples for data in self.train])

    @property
    def held_out(self) -> Sequence[Example]:
        """The validation rows."""
        return joined([data.examples for data in self.validation]) if self.validation else ()

    @property
    def rows(self) -> int:
        """The number of training rows."""
        return sum(len(data.examples) for data in self.train)


def read_inputs(
    recipe: Recipe, host: Host, library: Library, *, seed: int, trained_together: frozenset[str] = frozenset()
) -> RecipeInputs:
    """Read what a recipe names.

    Args:
        seed: of the run; it decides which rows are held out.
        trained_together: components that are trained in the same run and may stand beneath this one.

    Raises:
        UserError: the data or a stack is wrong.
    """
    file = recipe.name
    needs, validated = needed_fields(recipe, host)
    train = tuple(
        _through(data, table.stack)
        for data, table in zip(
            read_training(recipe.data, host, recipe.folder, file, needs), recipe.data.train, strict=True
        )
    )
    validation = tuple(
        _through(_read(host, table, recipe, f"{file}, data.validation", validated), table.stack)
        for table in recipe.data.validation
    )
    if recipe.data.validation_share and not validation:
        train, validation = hold_out(train, recipe.data.validation_share, seed, blocks=recipe.component.role == "lang")
    if recipe.data.shots is not None:
        train = draw_shots(train, recipe.data.shots, seed, f"{file}, data.shots")
    if recipe.data.sampling == "balanced":
        train = balance_rows(train, seed, f"{file}, data.sampling")
    whole = parse_stack(recipe.stack)
    frozen = Stack(tuple(part for part in whole.parts if str(part) not in trained_together))
    target = parse_stack(recipe.objective.target or "")
    beside = {
        table.stack: (parsed := parse_stack(table.stack), read_stack(parsed, library, host))
        for table in (*recipe.data.train, *recipe.data.validation)
        if table.stack is not None
    }
    return RecipeInputs(
        recipe=recipe,
        train=train,
        validation=validation,
        frozen=frozen,
        beneath=tuple(map(str, whole.parts)),
        target=target,
        stored=read_stack(frozen, library, host),
        stored_target=read_stack(target, library, host),
        members=_read_members(recipe, host, library),
        switching=read_switching(recipe.data, host, recipe.folder, file),
        beside=beside,
    )


def _read(host: Host, table: DataTable, recipe: Recipe, where: str, needs: tuple[str, ...]) -> Dataset:
    return read_source(host, source_of(table), recipe.folder, where, needs)


def _through(data: Dataset, stack: str | None) -> Dataset:
    """The same rows, told which stack they go through."""
    if stack is None:
        return data
    return replace(data, examples=tuple(replace(example, stack=stack) for example in data.examples))


def _read_members(recipe: Recipe, host: Host, library: Library) -> dict[str, StoredComponent]:
    """What the new component's parts stand on."""
    found: dict[str, StoredComponent] = {}
    for index, part in enumerate(recipe.parts):
        if host.spec(MethodSpec, part.method).members is None:
            continue
        where = f"{recipe.name}, parts[{index}]"
        configured = host.configured(MethodSpec, part.method, part.config, where)
        with host.attributed(configured) as spec:
            assert spec.members is not None
            names = spec.members(configured.config)
        found |= read_members(names, finder(library, host), recipe.key, where)
    return found

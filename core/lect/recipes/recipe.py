"""A recipe: what to train, on what, how; as a model, from a file, and as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PrivateAttr, ValidationInfo, field_validator, model_validator

from lect.composition.stack import StackText
from lect.errors import RecipeError, nearest, together
from lect.fields import check_distinct, tuple_of
from lect.recipes.check import in_order, mistakes_for_plugins, mistakes_of_stacks
from lect.recipes.schema import (
    BackboneTable,
    ComponentTable,
    DataSection,
    HeadTable,
    ObjectiveTable,
    OutputTable,
    PartTable,
)
from lect.recipes.tables import Table
from lect.recipes.training import TrainingTable
from lect.recipes.values import is_mixed, read_values
from lect.storage.manifest import CardEntry

if TYPE_CHECKING:
    from lect.host import Host


class Recipe(Table):
    """What to train, on what, how.

    Two recipes are equal where their fields are, wherever they were read from.

    Args:
        stack: the frozen stack beneath what is trained.
        card: what the component's card says beside what the run tells.
    """

    component: ComponentTable
    card: CardEntry | None = None
    backbone: BackboneTable = BackboneTable()
    stack: StackText = ""
    parts: Annotated[tuple[PartTable, ...], BeforeValidator(tuple_of)] = ()
    head: HeadTable | None = None
    objective: ObjectiveTable
    data: DataSection
    training: TrainingTable = TrainingTable()
    output: OutputTable = OutputTable()
    _folder: Path = PrivateAttr(default=Path())
    _name: str = PrivateAttr(default="recipe")

    @property
    def key(self) -> str:
        """How stacks name the component: ``lang:jav``."""
        return f"{self.component.role}:{self.component.name}"

    @property
    def folder(self) -> Path:
        """The folder that relative paths of the data start from: the recipe's own."""
        return self._folder

    @property
    def name(self) -> str:
        """The recipe's file, as messages quote it."""
        return self._name

    def placed(self, folder: Path, name: str) -> Recipe:
        """The same recipe, as if read from a file of this name in this folder."""
        copy = self.model_copy()
        copy._folder, copy._name = folder, name
        return copy

    @classmethod
    def from_toml(cls, path: str | Path, changes: Iterable[str] = ()) -> Recipe:
        """The recipe in a file, checked with what plugins read of it, as ``lect train`` does.

        Args:
            changes: ``KEY=VALUE`` each, as ``--set`` takes them.

        Raises:
            RecipeError: as `load_recipe`.

        Example:
            >>> lect.Recipe.from_toml("recipe.toml", ["training.seed=3"]).training.seed
            3
        """
        from lect.host import Host

        return load_recipe(path, changes, Host.load())

    def to_toml(self, path: str | Path | None = None) -> str:
        """The recipe as TOML that loads to an equal one, every default written out.

        Args:
            path: a file to write it to, too. Relative paths of the data start from the folder that it lies in.

        Example:
            >>> recipe = lect.Recipe.from_toml("recipe.toml")
            >>> text = recipe.to_toml("again.toml")
            >>> lect.Recipe.from_toml("again.toml") == recipe
            True
        """
        from lect.files import write_aside
        from lect.toml import toml_text

        values = self.model_dump(exclude_none=True)
        for table, name in (
            (values, "output"),
            (values["data"], "validation"),
            (values["data"], "evaluation"),
            (values["data"], "guard"),
            (values["training"], "learning_rates"),
            (values["objective"], "terms"),
        ):
            if not table[name]:
                del table[name]
        text = toml_text(values)
        if path is not None:
            write_aside(Path(path), text)
        return text

    def __repr__(self) -> str:
        parts = " + ".join([*(part.method for part in self.parts), *([f"head {self.head.kind}"] if self.head else [])])
        sources = ", ".join(source.reader for source in self.data.train)
        said = f"{parts} on {self.backbone.name}, by {self.objective.title}, from {sources}"
        return f"<Recipe {self.key}: {said if len(said) < 600 else said[:600] + '…'}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]

    @field_validator("parts")
    @classmethod
    def _parts(cls, parts: tuple[PartTable, ...]) -> tuple[PartTable, ...]:
        check_distinct([part.method for part in parts])
        return parts

    @field_validator("head")
    @classmethod
    def _head(cls, head: HeadTable | None, info: ValidationInfo) -> HeadTable | None:
        component = info.data.get("component")
        if head is not None and component is not None and component.role == "lang":
            raise ValueError('a component of role "lang" has no head; leave it out, or set component.role = "task"')
        return head

    @field_validator("training")
    @classmethod
    def _training(cls, training: TrainingTable, info: ValidationInfo) -> TrainingTable:
        if "parts" in info.data and "head" in info.data:
            learning = [*(part.method for part in info.data["parts"]), *(["head"] if info.data["head"] else [])]
            for name in training.learning_rates:
                if name not in learning:
                    raise ValueError(f'learning_rates: "{name}" is not trained; {nearest(name, learning)}')
        if training.patience is not None and "data" in info.data and not info.data["data"].validates:
            raise ValueError("patience needs validation; add data.validation or data.validation_share")
        if training.meta is not None and "data" in info.data and len(info.data["data"].train) < 2:
            raise ValueError("meta learns over several sources; write each as a [[data.train]]")
        return training

    @model_validator(mode="after")
    def _something(self) -> Recipe:
        if not self.parts and self.head is None:
            raise ValueError("there is nothing to train; add [[parts]] or [head]")
        return self


def load_recipe(path: Path | str, overrides: Iterable[str] = (), host: Host | None = None) -> Recipe:
    """The recipe in a file.

    Args:
        host: checks what plugins read of it as well, so that all mistakes are said at once.
        overrides: ``KEY=VALUE`` each, such as ``training.seed=1``, ``parts.0.reduction=8``, ``stack=lang:jav``. A value
            is TOML, or else a text; ``KEY=`` takes the key out. The only table of a list needs no number.

    Raises:
        RecipeError: there is no such file, it is not TOML, or a field is wrong; says where, and the nearest valid name.
    """
    path, values = read_values(path, overrides)
    if is_mixed(values):
        raise RecipeError("mixes several recipes", where=str(path), fix="name one with a [component] of its own")
    return recipe_of(values, name=str(path), folder=path.parent, host=host)


def recipe_of(
    values: Mapping[str, Any], *, name: str = "recipe", folder: Path = Path(), host: Host | None = None
) -> Recipe:
    """The recipe with these values, as TOML has them.

    Args:
        name: what messages call it.
        folder: relative paths start from it.
        host: checks what plugins read of it as well.

    Raises:
        RecipeError: a field is wrong, or several are: it says all of them.
    """
    from lect.validation import validate_model, warn_of_deprecated

    found, recipe = mistakes_of_stacks(values, name), None
    # Of these the model knows no column.
    located = {str(mistake.where).rpartition(", column")[0] for mistake in found}
    try:
        recipe = validate_model(Recipe, values, name)
    except RecipeError as error:
        placed = error.at(RecipeError, partial(_as_written, values)).each
        found += (mistake for mistake in placed if mistake.where not in located)
    if host is not None:
        found += mistakes_for_plugins(values, host, name)
    if found or recipe is None:
        raise together(in_order(found, values, name))
    warn_of_deprecated(recipe, name)
    return recipe.placed(folder, name)


def _as_written(values: Mapping[str, Any], where: str | None) -> str | None:
    """Without a position in a list where the recipe has one table."""
    data = values.get("data")
    for split in ("train", "validation", "evaluation"):
        if where and isinstance(data, dict) and isinstance(data.get(split), dict):
            where = where.replace(f"data.{split}[0]", f"data.{split}")
    return where

"""A mixed recipe as a model: several components that learn in one run, each by a recipe of its own.

.. code-block:: toml

    [train]
    temperature = 2.0

    [[train.mix]]
    recipe = "language.toml"
    set = ["component.name=ace", "data.train.text=acehnese"]

    [[train.mix]]
    recipe = "task.toml"
    weight = 0.5

    [training]
    epochs = 8
    batch_size = 64

Of the single recipes count the component, the stack, the parts, the head, the objective, the data, and of the training
`learning_rate`, `learning_rates`, `weight_decay` and `metric`. The rest of their training, and their output, are not
used: the mixed recipe's are. An epoch is as many rows as all of them have together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr, field_validator, model_validator

from lect.fields import tuple_of
from lect.recipes.recipe import Recipe
from lect.recipes.schema import BackboneTable, OutputTable
from lect.recipes.tables import Names, Table
from lect.recipes.training import LearningTable, RunTable

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class MixEntry(Table):
    """One component of the run.

    Args:
        recipe: its recipe's file, relative to the mixed recipe's folder.
        set: changes to it, as ``lect train --set`` takes them.
        weight: its rows are drawn as if there were so many times as many.
    """

    recipe: str = Field(min_length=1)
    set: Names = ()
    weight: Positive = 1.0


class MixSection(Table):
    """What is mixed, and how evenly.

    Args:
        temperature: 1 draws rows by their number; the higher it is, the more evenly (`lect.training.sampling`).
        joint: whether a component that is trained may stand in the `stack` of others that are trained, as a language
            beneath several tasks: it then learns from their losses, too. All are saved as they are at the run's end.
    """

    temperature: Positive = 1.0
    joint: bool = False
    mix: Annotated[tuple[MixEntry, ...], BeforeValidator(tuple_of)]

    @field_validator("mix")
    @classmethod
    def _mix(cls, mix: tuple[MixEntry, ...]) -> tuple[MixEntry, ...]:
        if not mix:
            raise ValueError("should be at least one recipe")
        return mix


class MixedRunTable(RunTable):
    """How long and how exactly the run trains; how fast a component learns its own recipe says."""

    @model_validator(mode="before")
    @classmethod
    def _of_single_recipes(cls, values: Any) -> Any:
        for name in LearningTable.model_fields:
            if isinstance(values, dict) and name in values:
                raise ValueError(f'"{name}" is said by each recipe; write it there, or into its set')
        return values


class MixedRecipe(Table):
    """Which components learn together, and how.

    Args:
        backbone: what all recipes must be for; None for that of the first.
    """

    backbone: BackboneTable | None = None
    train: MixSection
    training: MixedRunTable = MixedRunTable()
    output: OutputTable = OutputTable()
    _recipes: tuple[Recipe, ...] = PrivateAttr(default=())
    _name: str = PrivateAttr(default="recipe")

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """The single recipes, in the order of `train.mix`."""
        return self._recipes

    @property
    def name(self) -> str:
        """The recipe's file, as messages quote it."""
        return self._name

    @property
    def stem(self) -> str:
        """What the run is called: the file's name without its ending."""
        return Path(self._name).stem

    def placed(self, name: str, recipes: tuple[Recipe, ...]) -> MixedRecipe:
        """The same recipe, as if read from a file of this name, with its single recipes."""
        copy = self.model_copy()
        copy._name, copy._recipes = name, recipes
        return copy

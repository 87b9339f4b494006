"""Recipes that mix others, as files: read with overrides, and written back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.errors import RecipeError, UserError, together
from lect.recipes.mix import MixedRecipe
from lect.recipes.recipe import Recipe, recipe_of
from lect.recipes.schema import BackboneTable
from lect.recipes.values import is_mixed, read_values

if TYPE_CHECKING:
    from lect.host import Host


def load_any_recipe(path: Path | str, overrides: Iterable[str] = (), host: Host | None = None) -> Recipe | MixedRecipe:
    """The recipe in a file: a mixed one where it has a table ``[train]`` and no ``[component]``.

    Args:
        overrides: as `load_recipe` takes them; of a mixed recipe ``train.mix.0.weight=2``, say.
        host: checks what plugins read of it as well, so that all mistakes are said at once.

    Raises:
        RecipeError: as `load_recipe`; of a recipe that is mixed in, says which.
    """
    path, values = read_values(path, overrides)
    if "fleet" in values:
        raise RecipeError(
            "is for several languages: it has a table [fleet]", where=str(path), fix=f"run it with lect fleet {path}"
        )
    if is_mixed(values):
        return mixed_recipe_of(values, name=str(path), folder=path.parent, host=host)
    return recipe_of(values, name=str(path), folder=path.parent, host=host)


def mixed_recipe_of(
    values: Mapping[str, Any], *, name: str = "recipe", folder: Path = Path(), host: Host | None = None
) -> MixedRecipe:
    """The mixed recipe with these values, and the recipes it names.

    Args:
        name: what messages call it.
        folder: the recipes' paths are relative to it.
        host: checks what plugins read of them as well.

    Raises:
        RecipeError: fields are wrong, here or in the recipes; two train the same component, or they are for different
            backbones.
    """
    from lect.validation import validate_model, warn_of_deprecated

    mixed = validate_model(MixedRecipe, values, name)
    warn_of_deprecated(mixed, name)
    recipes: list[Recipe] = []
    mistakes: list[UserError] = []
    for index, entry in enumerate(mixed.train.mix):
        where = f"{name}, train.mix[{index}]"
        try:
            path, own = read_values(
                folder / Path(entry.recipe).expanduser(), entry.set, lambda change: f'set "{change}"'
            )
            if is_mixed(own):
                raise RecipeError("mixes several recipes itself", where=str(path), fix="name those here")
            recipe = recipe_of(own, name=str(path), folder=path.parent, host=host)
            if recipe.training.meta is not None:
                raise RecipeError("cannot be mixed in", where=f"{path}, training.meta", fix="train it in its own run")
        except UserError as error:
            mistakes.append(error.at(type(error), f"{where}: {{}}".format))
            continue
        recipes.append(recipe.placed(recipe.folder, f"{where}: {recipe.name}"))
    if mistakes:
        raise together(mistakes)
    _check_distinct_components(recipes, name)
    _check_independent(recipes, mixed.train.joint)
    if mixed.train.joint and mixed.training.patience is not None:
        raise RecipeError(
            "components that learn from each other's losses have no best state of their own",
            where=f"{name}, training.patience",
            fix="leave it out, or train.joint",
        )
    _check_one_backbone(mixed.backbone, recipes, name)
    if mixed.training.patience is not None and not any(recipe.data.validates for recipe in recipes):
        raise RecipeError(
            "patience needs validation",
            where=f"{name}, training.patience",
            fix="add data.validation or data.validation_share to a recipe",
        )
    return mixed.placed(name, tuple(recipes))


def mixed_recipe_text(mixed: MixedRecipe) -> str:
    """The mixed recipe as TOML, every default written out; the recipes it names are not in it."""
    from lect.toml import toml_text

    values = mixed.model_dump(exclude_none=True)
    for table in (values, *values["train"]["mix"]):
        for name in ("output", "set"):
            if not table.get(name, True):
                del table[name]
    return toml_text(values)


def _check_distinct_components(recipes: Sequence[Recipe], name: str) -> None:
    seen: dict[str, int] = {}
    for index, recipe in enumerate(recipes):
        if recipe.key in seen:
            raise RecipeError(
                f'trains "{recipe.key}", and so does train.mix[{seen[recipe.key]}]',
                where=f"{name}, train.mix[{index}]",
                fix='name it otherwise, with set = ["component.name=…"]',
            )
        seen[recipe.key] = index


def _check_independent(recipes: Sequence[Recipe], joint: bool) -> None:
    """Refuse that a component stands frozen beneath one and learns in the same run; joint, only where it must not.

    A stack of components that learn has those of earlier recipes only.
    """
    from lect.composition.stack import parse_stack

    learning = {recipe.key for recipe in recipes}
    earlier: set[str] = set()
    for recipe in recipes:
        sources = [("data", table.stack or "") for table in (*recipe.data.train, *recipe.data.validation)]
        for field, text in (("stack", recipe.stack), ("objective.target", recipe.objective.target or ""), *sources):
            for part in map(str, parse_stack(text).parts):
                if joint and field == "stack" and part in earlier:
                    continue
                if joint and field == "stack" and part in learning - {recipe.key}:
                    raise RecipeError(
                        f'"{part}" learns in the same run, and comes later',
                        where=f"{recipe.name}, stack",
                        fix="name its recipe before this one",
                    )
                if part in learning - {recipe.key}:
                    raise RecipeError(
                        f'"{part}" is frozen there, and learns in the same run',
                        where=f"{recipe.name}, {field}",
                        fix=f'train "{part}" in a run before this one',
                    )
        earlier.add(recipe.key)


def _check_one_backbone(backbone: BackboneTable | None, recipes: Sequence[Recipe], name: str) -> None:
    its = "backbone" if backbone else "train.mix[0]"
    for index, recipe in enumerate(recipes):
        backbone = backbone or recipe.backbone
        if recipe.backbone != backbone:
            raise RecipeError(
                f"is for the backbone {_told(recipe.backbone)}, and {its} says {_told(backbone)}",
                where=f"{name}, train.mix[{index}]",
                fix='say the same everywhere; a recipe\'s is changed by set = ["backbone.name=…"]',
            )


def _told(backbone: BackboneTable) -> str:
    more = backbone.model_dump(exclude_defaults=True, exclude={"name"})
    return " ".join([f'"{backbone.name}"', *(f"with {field} {value!r}" for field, value in more.items())])

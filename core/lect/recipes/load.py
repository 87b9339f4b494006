"""Recipes as files: read with overrides, and written back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.errors import RecipeError, UserError, nearest, together
from lect.recipes.check import check_kind, in_order, mistakes_for_plugins, mistakes_of_stacks
from lect.recipes.mix import MixedRecipe
from lect.recipes.schema import BackboneTable, Recipe

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
    path, values = _read(path, overrides)
    if "fleet" in values:
        raise RecipeError(
            "is for several languages: it has a table [fleet]", where=str(path), fix=f"run it with lect fleet {path}"
        )
    if _is_mixed(values):
        return mixed_recipe_of(values, name=str(path), folder=path.parent, host=host)
    return recipe_of(values, name=str(path), folder=path.parent, host=host)


def load_recipe(path: Path | str, overrides: Iterable[str] = (), host: Host | None = None) -> Recipe:
    """The recipe in a file.

    Args:
        host: checks what plugins read of it as well, so that all mistakes are said at once.
        overrides: ``KEY=VALUE`` each, such as ``training.seed=1``, ``parts.0.reduction=8``, ``stack=lang:jav``. A value
            is TOML, or else a text; ``KEY=`` takes the key out.

    Raises:
        RecipeError: there is no such file, it is not TOML, or a field is wrong; says where, and the nearest valid name.
    """
    path, values = _read(path, overrides)
    if _is_mixed(values):
        raise RecipeError("mixes several recipes", where=str(path), fix="name one with a [component] of its own")
    return recipe_of(values, name=str(path), folder=path.parent, host=host)


def recipe_values(path: Path | str, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """The values in a recipe's file, changed by `overrides` and not yet checked. Raises as `load_recipe`."""
    return _read(path, overrides)[1]


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
    from lect.validation import validate_model

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
    return recipe.placed(folder, name)


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
    from lect.validation import validate_model

    mixed = validate_model(MixedRecipe, values, name)
    recipes: list[Recipe] = []
    mistakes: list[UserError] = []
    for index, entry in enumerate(mixed.train.mix):
        where = f"{name}, train.mix[{index}]"
        try:
            path, own = _read(folder / Path(entry.recipe).expanduser(), entry.set, lambda change: f'set "{change}"')
            if _is_mixed(own):
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


def recipe_text(recipe: Recipe) -> str:
    """The recipe as TOML that loads to an equal one, every default written out."""
    from lect.toml import toml_text

    values = recipe.model_dump(exclude_none=True)
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
    return toml_text(values)


def _read(
    path: Path | str, overrides: Iterable[str], said: Callable[[str], str] = "--set {}".format
) -> tuple[Path, dict[str, Any]]:
    """A recipe's values, changed.

    Args:
        said: how messages quote a change.
    """
    from lect.toml import read_toml

    path = Path(path).expanduser()
    if not path.is_file():
        raise _no_such_file(path)
    try:
        values = read_toml(path, RecipeError)
    except RecipeError as error:
        if path.suffix.lower() == ".toml":
            raise
        raise RecipeError("is no recipe", where=str(path), fix="name a TOML file") from error
    check_kind(values, "recipe", path)
    for override in overrides:
        _override(values, override, said(override))
    return path, values


def _is_mixed(values: Mapping[str, Any]) -> bool:
    return "train" in values and "component" not in values


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


def _no_such_file(path: Path) -> RecipeError:
    if path.is_dir():
        return RecipeError("is a folder, not a recipe", where=str(path), fix="name the TOML file in it")
    beside = [file.name for file in path.parent.glob("*.toml")] if path.parent.is_dir() else []
    close = nearest(path.name, beside)
    if close.startswith("did you mean"):
        return RecipeError("there is no such file", where=str(path), fix=close)
    known = f"recipes there: {', '.join(sorted(beside)[:5])}" if beside else "name a recipe, a TOML file"
    return RecipeError("there is no such file", where=str(path), fix=known)


def _as_written(values: Mapping[str, Any], where: str | None) -> str | None:
    """Without a position in a list where the recipe has one table."""
    data = values.get("data")
    for split in ("train", "validation", "evaluation"):
        if where and isinstance(data, dict) and isinstance(data.get(split), dict):
            where = where.replace(f"data.{split}[0]", f"data.{split}")
    return where


def _override(values: dict[str, Any], override: str, where: str) -> None:
    """Change one value in place."""
    key, equals, text = override.partition("=")
    key, text = key.strip(), text.strip()
    steps = key.split(".")
    if not equals or not all(re.fullmatch(r"[A-Za-z0-9_-]+", step) for step in steps):
        raise RecipeError("is not KEY=VALUE", where=where, fix="write it as training.seed=1, say")
    table: Any = values
    for depth, step in enumerate(steps[:-1]):
        table = _into(table, step, ".".join(steps[: depth + 1]), where)
    last = steps[-1]
    if isinstance(table, list):
        index = _index(table, last, key, where)
        if text:
            table[index] = _value(text, where)
        else:
            del table[index]
    elif text:
        table[last] = _value(text, where)
    else:
        table.pop(last, None)


def _into(table: Any, step: str, path: str, where: str) -> Any:
    inner = table[_index(table, step, path, where)] if isinstance(table, list) else table.setdefault(step, {})
    if not isinstance(inner, dict | list):
        raise RecipeError(f'"{path}" is a single value, with no fields in it', where=where, fix=f"write {path}=VALUE")
    return inner


def _index(table: list[Any], step: str, path: str, where: str) -> int:
    if step.isascii() and step.isdigit() and len(step) < 10 and int(step) < len(table):
        return int(step)
    outer = path.rpartition(".")[0]
    raise RecipeError(
        f'"{outer}" is a list of {len(table)}, and "{step}" no place in it',
        where=where,
        fix="count from 0" if table else "write it into the recipe",
    )


def _value(text: str, where: str) -> Any:
    """A TOML value; what is none is a text, unless it begins as one of TOML's own."""
    from lect.toml import parse_toml

    try:
        parsed = parse_toml(f"value = {text}", RecipeError, where=where)
    except RecipeError as error:
        if text[0] in "\"'[{":
            raise RecipeError(error.what, where=where, fix=error.fix or "check its quotes and brackets") from None
        return text
    # A line break in the value could smuggle further keys in.
    return parsed["value"] if len(parsed) == 1 else text

"""The values of a recipe's file, read with changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lect.errors import RecipeError, nearest
from lect.recipes.check import check_kind


def recipe_values(path: Path | str, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """The values in a recipe's file, changed by `overrides` and not yet checked. Raises as `load_recipe`."""
    return read_values(path, overrides)[1]


def read_values(
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


def is_mixed(values: Mapping[str, Any]) -> bool:
    """Whether these are of a recipe that mixes several."""
    return "train" in values and "component" not in values


def _no_such_file(path: Path) -> RecipeError:
    if path.is_dir():
        return RecipeError("is a folder, not a recipe", where=str(path), fix="name the TOML file in it")
    beside = [file.name for file in path.parent.glob("*.toml")] if path.parent.is_dir() else []
    close = nearest(path.name, beside)
    if close.startswith("did you mean"):
        return RecipeError("there is no such file", where=str(path), fix=close)
    known = f"recipes there: {', '.join(sorted(beside)[:5])}" if beside else "name a recipe, a TOML file"
    return RecipeError("there is no such file", where=str(path), fix=known)


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
    table = _single(table, last)
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


def _single(table: Any, step: str) -> Any:
    """The table of a list that has no other, where the step is no number: ``parts.layers`` is ``parts.0.layers``."""
    alone = isinstance(table, list) and len(table) == 1 and isinstance(table[0], dict)
    return table[0] if alone and not step.isdigit() else table


def _into(table: Any, step: str, path: str, where: str) -> Any:
    table = _single(table, step)
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

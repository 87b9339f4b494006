"""Reads a mapping from a file into a pydantic model, with errors a user can act on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from lect.errors import RecipeError, nearest

Model = TypeVar("Model", bound=BaseModel)


def validate_model(model: type[Model], mapping: Mapping[str, Any], where: str) -> Model:
    """The mapping as an instance of the model.

    Args:
        where: the file, or the file and the path inside it, such as ``recipe.toml, part[0]``.

    Raises:
        RecipeError: for the first wrong field, with its path inside the file; for an unknown one with the nearest
            valid name.
    """
    try:
        return model.model_validate(dict(mapping))
    except ValidationError as error:
        raise _recipe_error(model, error, where) from error


def _recipe_error(model: type[BaseModel], error: ValidationError, where: str) -> RecipeError:
    problems = error.errors(include_url=False)
    # A misspelt field often stands beside the field that it leaves missing; the misspelling is the one to mend.
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    others = len(problems) - 1
    what, fix = _worded(model, first)
    more = f" (and {others} more {'mistake' if others == 1 else 'mistakes'})" if others else ""
    return RecipeError(what + more, where=_joined(where, _path(model, first["loc"])), fix=fix)


def _worded(model: type[BaseModel], problem: Any) -> tuple[str, str | None]:
    location, kind = problem["loc"], problem["type"]
    if kind == "extra_forbidden":
        known = sorted({name for owner in _owners(model, location[:-1]) for name in _names(owner)})
        return f'unknown field "{_shown(location[-1])}"', nearest(str(location[-1]), known)
    if kind == "missing":
        return "this field is missing", "add it"
    message = str(problem["msg"])
    for prefix in ("Value error, ", "Assertion failed, "):
        message = message.removeprefix(prefix)
    message = " ".join(message.split()).rstrip(".")
    given = repr(problem["input"])
    shown = given if len(given) <= 60 else f"{given[:57]}..."
    # A validator over the whole model is handed all of it, which is no help in one line.
    subject = "" if isinstance(problem["input"], (Mapping, BaseModel)) else f", not {shown}"
    return f"{message[:1].lower()}{message[1:]}{subject}", None


def _path(model: type[BaseModel], location: Sequence[int | str]) -> str:
    """The location as TOML writes it, without the names that pydantic puts in for a union's members."""
    path = ""
    annotations: list[Any] = [model]
    for number, step in enumerate(location, start=1):
        deeper = _descend(annotations, step)
        # The last step may be a field that does not exist; before it, what leads nowhere is a union's member.
        if not deeper and number < len(location):
            continue
        annotations = deeper
        name = _shown(step)
        path += f"[{step}]" if isinstance(step, int) else f".{name}" if path else name
    return path


def _shown(name: int | str) -> str:
    text = str(name)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _joined(where: str, path: str) -> str:
    if not path:
        return where
    inside = ", " in where
    if path.startswith("["):
        return f"{where}{path}" if inside else f"{where}, {path}"
    return f"{where}.{path}" if inside else f"{where}, {path}"


def _owners(model: type[BaseModel], location: Sequence[int | str]) -> list[type[BaseModel]]:
    """Every model that may stand at a location: more than one where a field is a union."""
    annotations: list[Any] = [model]
    for step in location:
        annotations = _descend(annotations, step) or annotations
    return [member for annotation in annotations for member in _members(annotation) if _is_model(member)]


def _descend(annotations: Sequence[Any], step: int | str) -> list[Any]:
    """What may stand one step further in; nothing where the step is no part of the file."""
    found: list[Any] = []
    for member in (member for annotation in annotations for member in _members(annotation)):
        origin = get_origin(member)
        if _is_model(member):
            found += [field.annotation for name, field in member.model_fields.items() if step in (name, field.alias)]
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            found.append(get_args(member)[1])
        elif isinstance(step, int) and isinstance(origin, type) and issubclass(origin, Collection):
            found += get_args(member)
    return found


def _members(annotation: Any) -> list[Any]:
    """The members of a union, the type under ``Annotated``, and else the type itself."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [inner for argument in get_args(annotation) for inner in _members(argument)]
    return [annotation]


def _is_model(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, BaseModel)


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]

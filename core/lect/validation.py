"""Reads a mapping from a file into a pydantic model, with errors a user can act on."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from lect.deprecation import deprecation_of
from lect.errors import RecipeError, UserError, nearest, together

logger = logging.getLogger(__name__)
Model = TypeVar("Model", bound=BaseModel)


def validate_model(model: type[Model], mapping: Mapping[str, Any], where: str) -> Model:
    """The mapping as an instance of the model.

    Args:
        where: the file, or the file and the path inside it, such as ``recipe.toml, part[0]``.

    Raises:
        RecipeError: for every wrong field, with its path inside the file; for an unknown one with the nearest valid
            name.
    """
    try:
        return model.model_validate(dict(mapping))
    except ValidationError as error:
        raise _recipe_error(model, error, where) from error


def warn_of_deprecated(found: BaseModel, where: str) -> None:
    """Log a line for each field that a user gave and that is deprecated (`lect.deprecation`).

    Args:
        where: as `validate_model` has it.
    """
    for place, field in _given(found, ""):
        if field.deprecated and (told := deprecation_of(field.deprecation_message)):
            logger.warning("%s: %s", _joined(where, place), told.remark)


def _given(value: Any, place: str) -> Iterator[tuple[str, FieldInfo]]:
    """The fields that were given in a model and those inside it, each with its place."""
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            if name in value.model_fields_set:
                inside = f"{place}.{field.alias or name}" if place else field.alias or name
                yield inside, field
                # Not as an attribute: reading one that is deprecated makes pydantic warn us of ourselves.
                yield from _given(value.__dict__.get(name), inside)
    elif isinstance(value, tuple | list):
        for number, each in enumerate(value):
            yield from _given(each, f"{place}[{number}]")
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _given(each, f"{place}.{key}")


def _recipe_error(model: type[BaseModel], error: ValidationError, where: str) -> UserError:
    problems = error.errors(include_url=False)
    # A misspelt field often stands beside the field that it leaves missing; the misspelling is the one to mend.
    problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")
    found: dict[str, RecipeError] = {}
    misspelt: set[tuple[int | str, ...]] = set()
    for problem in problems:
        if problem["type"] == "extra_forbidden" and (meant := _meant(model, problem["loc"])):
            misspelt.add((*problem["loc"][:-1], meant))
        if problem["type"] == "missing" and problem["loc"] in misspelt:
            continue
        place = _joined(where, _path(model, problem["loc"]))
        what, fix = _worded(model, problem)
        # Of a field that may be of several kinds, pydantic says what is wrong with it as each of them.
        found.setdefault(place, RecipeError(what, where=place, fix=fix))
    return together(list(found.values()))


def _worded(model: type[BaseModel], problem: Any) -> tuple[str, str | None]:
    location, kind, value = problem["loc"], problem["type"], problem["input"]
    if kind == "extra_forbidden":
        return f'unknown field "{_shown(location[-1])}"', nearest(str(location[-1]), _known(model, location))
    if kind == "missing":
        return "this field is missing", "add it"
    name = next((str(step) for step in reversed(location) if not isinstance(step, int)), "")
    if kind in ("tuple_type", "list_type"):
        if isinstance(value, Mapping) and _holds_tables(model, location):
            return (
                "is a single table, and a list of tables is due",
                f"write [[{_table_name(location)}]], twice the brackets",
            )
        if not isinstance(value, Mapping):
            return f"should be a list, not {_quoted(value)}", f"write {name} = [{_quoted(value)}], say"
    if kind in ("model_type", "model_attributes_type", "dict_type", "dataclass_type"):
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            return "is a list of tables, and a single one is due", f"write [{_table_name(location)}], once the brackets"
        return f"should be a table, not {_quoted(value)}", _as_table(model, location, value)
    message = str(problem["msg"])
    for prefix in ("Value error, ", "Assertion failed, "):
        message = message.removeprefix(prefix)
    message = " ".join(message.split()).rstrip(".")
    # A validator over the whole model is handed all of it, which is no help in one line; nor is the value where the
    # field should not be there at all.
    is_of_value = not isinstance(value, (Mapping, BaseModel)) and "cannot stand beside" not in message
    subject = f", not {_quoted(value)}" if is_of_value else ""
    return f"{message[:1].lower()}{message[1:]}{subject}", None


def _quoted(value: Any) -> str:
    given = repr(value)
    return given if len(given) <= 60 else f"{given[:57]}..."


def _known(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    return sorted({name for owner in _owners(model, location[:-1]) for name in _names(owner)})


def _meant(model: type[BaseModel], location: Sequence[int | str]) -> str | None:
    close = difflib.get_close_matches(str(location[-1]), _known(model, location), n=1)
    return close[0] if close else None


def _holds_tables(model: type[BaseModel], location: Sequence[int | str]) -> bool:
    """Whether what may stand at a location is a list of tables."""
    return bool(_owners(model, (*location, 0)))


def _table_name(location: Sequence[int | str]) -> str:
    """How TOML names the table at a location: the places in lists are no part of it."""
    return ".".join(str(step) for step in location if not isinstance(step, int))


def _as_table(model: type[BaseModel], location: Sequence[int | str], value: Any) -> str:
    """How a table is written where a single value was."""
    brackets = ("[[{}]]" if isinstance(location[-1], int) else "[{}]").format(_table_name(location))
    needed = [
        field.alias or name
        for owner in _owners(model, location)
        for name, field in owner.model_fields.items()
        if field.is_required()
    ]
    if not needed:
        return f"write {brackets}, and its fields below"
    given = f'"{value}"' if isinstance(value, str) and len(needed) == 1 and len(value) < 40 else "…"
    return f"write {brackets} and {needed[0]} = {given} below it"


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

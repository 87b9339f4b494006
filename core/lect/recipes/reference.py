"""Every field of a recipe: its type, its default and its meaning, as the models that check recipes say them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from textwrap import dedent
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lect.toml import toml_text

if TYPE_CHECKING:
    from lect.host import Host


@dataclass(frozen=True)
class RecipeField:
    """One field.

    Args:
        name: in its table.
        kind: its type, in words of TOML: ``number``, ``"auto" or "float32"``.
        default: as TOML writes it; "" where it is not set, None where it has to be given.
        meaning: a sentence.
        deprecated: since when, until when, and what to use instead; "" where it stays (`lect.deprecation`).
    """

    name: str
    kind: str
    default: str | None
    meaning: str
    deprecated: str = ""


@dataclass(frozen=True)
class RecipeTable:
    """A table of a recipe, or what a plugin reads of one.

    Args:
        name: how TOML heads it: ``training``, ``data.train``; of a plugin's thing its kind and name.
        title: what it is.
        fields: in their order.
    """

    name: str
    title: str
    fields: tuple[RecipeField, ...]


def recipe_tables() -> tuple[RecipeTable, ...]:
    """The tables that every recipe may have, in the order in which recipes are written."""
    from lect.data.cleaning import Cleaning
    from lect.recipes import schema
    from lect.recipes.training import MetaTable, TrainingTable
    from lect.storage.manifest import CardEntry

    models: Mapping[str, type[BaseModel]] = {
        "component": schema.ComponentTable,
        "card": CardEntry,
        "backbone": schema.BackboneTable,
        "parts": schema.PartTable,
        "head": schema.HeadTable,
        "objective": schema.ObjectiveTable,
        "objective.terms": schema.TermTable,
        "data": schema.DataSection,
        "data.train": schema.DataTable,
        "data.cleaning": Cleaning,
        "data.code_switching": schema.CodeSwitchingTable,
        "training": TrainingTable,
        "training.meta": MetaTable,
        "output": schema.OutputTable,
    }
    return tuple(RecipeTable(name, title_of(model), fields_of(model)) for name, model in models.items())


def plugin_tables(host: Host) -> tuple[RecipeTable, ...]:
    """What methods, heads, objectives and readers that are installed take beside the fields of their tables."""
    from lect.specs import HeadSpec, MethodSpec, ObjectiveSpec, ReaderSpec

    found = []
    for kind in (MethodSpec, HeadSpec, ObjectiveSpec, ReaderSpec):
        for name, provided in sorted(host.specs(kind).items()):
            spec: Any = provided.spec
            found.append(RecipeTable(f"{kind.kind} {name}", spec.summary, fields_of(spec.config)))
    return tuple(found)


@lru_cache(maxsize=256)
def fields_of(model: type[BaseModel]) -> tuple[RecipeField, ...]:
    """The fields of a model, those of its bases first. What a description does not say, its docstring's ``Args`` do."""
    told: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if isinstance(owner, type) and issubclass(owner, BaseModel):
            told |= dict(told_in(owner.__doc__ or ""))
    return tuple(
        RecipeField(
            name,
            _kind(field),
            _default(field),
            _sentence(field.description or told.get(name, "")),
            (field.deprecation_message or "") if field.deprecated else "",
        )
        for name, field in model.model_fields.items()
    )


def markdown_of(tables: Iterable[RecipeTable]) -> str:
    """Tables of fields, as `docs/recipes.md` has them."""
    lines: list[str] = []
    for table in tables:
        kind, _, own = table.name.partition(" ")
        lines += [f"## {kind} `{own}`" if own else f"## `[{table.name}]`", "", table.title, ""]
        if table.fields:
            lines += ["| field | type | default | meaning |", "| --- | --- | --- | --- |"]
        for field in table.fields:
            default = "has to be given" if field.default is None else f"`{field.default}`" if field.default else ""
            cells = (f"`{field.name}`", field.kind, default, _sentences(field))
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
        lines += [""] if table.fields else []
    return "\n".join(lines)


def _sentences(field: RecipeField) -> str:
    return f"**{field.deprecated}** {field.meaning}" if field.deprecated else field.meaning


def _cell(text: str) -> str:
    """A text in a cell of Markdown: nothing in it ends the cell, or is taken for a tag of HTML."""
    return text.replace("|", "\\|") if text.startswith("`") else text.replace("|", "\\|").replace("<", "&lt;")


def title_of(model: type[BaseModel]) -> str:
    """What a model's docstring says first."""
    first = inspect.cleandoc(model.__doc__ or "").split("\n\n")[0]
    return _sentence(first)


def told_in(docstring: str) -> Iterator[tuple[str, str]]:
    """Names and what the ``Args`` of a docstring say of them; several may share a line."""
    _, _, below = inspect.cleandoc(docstring).partition("Args:\n")
    entry = ""
    for line in [*dedent(below).splitlines(), ""]:
        if line.startswith(" "):
            entry += f" {line.strip()}"
            continue
        names, colon, meaning = entry.partition(": ")
        if colon:
            yield from ((name.strip(), meaning) for name in names.split(","))
        entry = line


def _sentence(text: str) -> str:
    """A text of one line that begins with a capital letter and ends with a full stop, in TOML's words."""
    quoted = re.sub(r"``(.+?)``|`(.+?)`", lambda found: _quoted(found[1] or found[2]), " ".join(text.split()))
    # What is None in Python is absent in TOML.
    plain = re.sub(r"\bNone\b", "left out", quoted.replace("()", "[]")).replace(". left", ". Left")
    if not plain:
        return ""
    return f"{plain[:1].upper()}{plain[1:]}{'' if plain.endswith(('.', '?')) else '.'}"


def _quoted(name: str) -> str:
    return name if '"' in name else f'"{name}"'


def _default(field: FieldInfo) -> str | None:
    if field.is_required():
        return None
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, BaseModel) or value in ((), [], {}):
        return "" if not isinstance(value, tuple | list) else "[]"
    return written(value)


def written(value: Any) -> str:
    """A value as TOML writes it in a line."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {written(each)}" for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(written, value))}]"
    return toml_text({"v": value}).strip().removeprefix("v = ")


def _key(key: Any) -> str:
    return str(key) if re.fullmatch(r"[A-Za-z0-9_-]+", str(key)) else written(str(key))


def _kind(field: FieldInfo) -> str:
    return _named(field.annotation)


def _named(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _named(inner[0])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_named(each) for each in inner if each is not NoneType))
    if origin is Literal:
        return " or ".join(f'"{each}"' if isinstance(each, str) else str(each) for each in inner)
    if origin in (tuple, list):
        element = _named(inner[0]) if inner else "text"
        return f"list of {_PLURALS.get(element, element)}"
    if origin is dict or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return "table"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return _NAMES.get(annotation, "value")


_PLURALS: Mapping[str, str] = {"text": "texts", "whole number": "whole numbers", "number": "numbers", "table": "tables"}
_NAMES: Mapping[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}

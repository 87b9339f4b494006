"""A recipe as TOML that a person reads: a paragraph on top, every field with what it means, the others as comments."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lect.recipes import schema
from lect.recipes.reference import RecipeField, fields_of, written
from lect.recipes.training import TrainingTable

if TYPE_CHECKING:
    from lect.host import Host

WIDTH = 80
_LEFT_OUT = frozenset(
    {"terms", "train", "validation", "evaluation", "code_switching", "cleaning", "meta", "labels", "title"}
)
"""Tables of their own, and what only programs set."""
_WHOLE = frozenset({"[component]", "[backbone]", "[data]", "[training]"})
"""Tables of which all fields are told."""
_UNSET = 4
"""Of a plugin's fields without a default, so many are told."""


@dataclass(frozen=True)
class Aside:
    """A table that stands in the recipe as a comment, to be taken in by whoever wants it.

    Args:
        why: a sentence.
        head: as TOML heads it, such as ``[[data.train]]``.
    """

    why: str
    head: str
    values: Mapping[str, Any]


def recipe_text(
    values: Mapping[str, Any], host: Host, paragraph: str, commands: Sequence[str], asides: Sequence[Aside] = ()
) -> str:
    """The recipe.

    Args:
        values: of its tables, as TOML has them.
        paragraph: what was found and why these choices.
        commands: what to do with the file.
    """
    lines = [*_wrapped(paragraph), "#", *(f"#   {command}" for command in commands), ""]
    if values.get("stack"):
        lines += ["# The frozen stack beneath what is trained.", f"stack = {written(values['stack'])}", ""]
    lines += _section("[component]", values["component"], fields_of(schema.ComponentTable))
    lines += _section("[backbone]", values["backbone"], fields_of(schema.BackboneTable))
    for part in values.get("parts", ()):
        own = _of_plugin(host, "method", part["method"])
        lines += _section("[[parts]]", part, (*fields_of(schema.PartTable), *own))
    if "head" in values:
        own = _of_plugin(host, "head", values["head"]["kind"])
        lines += _section("[head]", values["head"], (*fields_of(schema.HeadTable), *own))
    lines += _objective(values["objective"], host)
    data = {key: value for key, value in values["data"].items() if not _is_tables(value)}
    lines += _section("[data]", data, fields_of(schema.DataSection))
    for split in ("train", "validation", "evaluation"):
        tables = values["data"].get(split, [])
        for table in tables if isinstance(tables, list) else [tables]:
            own = _of_plugin(host, "reader", table["reader"])
            head = f"[[data.{split}]]" if isinstance(tables, list) else f"[data.{split}]"
            fields = (*fields_of(schema.DataTable), *own) if split == "train" else ()
            lines += _section(head, table, fields)
    for aside in asides:
        lines += [*_wrapped(aside.why), f"# {aside.head}"]
        lines += [f"# {key} = {written(value)}" for key, value in aside.values.items()] + [""]
    lines += _section("[training]", values["training"], fields_of(TrainingTable))
    return "\n".join(lines).rstrip() + "\n"


def plain_section(head: str, values: Mapping[str, Any], comment: str = "") -> list[str]:
    """A table without the fields that it leaves out."""
    return [*(_wrapped(comment) if comment else ()), head, *(f"{key} = {written(v)}" for key, v in values.items()), ""]


def paragraph_lines(text: str) -> list[str]:
    """A paragraph as comments."""
    return _wrapped(text)


def _objective(values: Mapping[str, Any], host: Host) -> list[str]:
    fields = fields_of(schema.ObjectiveTable)
    if values["name"] != "combined":
        return _section("[objective]", values, (*fields, *_of_plugin(host, "objective", values["name"])))
    lines = _section("[objective]", {key: value for key, value in values.items() if key != "terms"}, fields)
    for term in values["terms"]:
        own = _of_plugin(host, "objective", term["name"])
        lines += _section("[[objective.terms]]", term, (*fields_of(schema.TermTable), *own))
    return lines


def _section(head: str, values: Mapping[str, Any], fields: Sequence[RecipeField]) -> list[str]:
    """A table: the fields that it has, each below what it means, then those that it leaves out."""
    if not values and not fields:
        return []
    meanings = {field.name: field.meaning for field in fields}
    lines = [head]
    for name, value in values.items():
        lines += [*_wrapped(meanings.get(name, "")), f"{name} = {written(value)}"]
    others, is_all = (fields, True) if head in _WHOLE else _told_of(fields, values)
    others = [field for field in others if field.name not in (*values, *_LEFT_OUT) and not field.deprecated]
    if others:
        lines += ["#", "# Other fields:"] if values else []
        for field in others:
            lines += [*_wrapped(field.meaning), f"# {field.name} = {_shown(field)}"]
    if not is_all and (
        name := next((values[key] for key in ("method", "kind", "reader", "name") if key in values), "")
    ):
        lines += [f"# All fields: lect recipe fields {name}"]
    return [*lines, ""]


def _shown(field: RecipeField) -> str:
    """The default, or of what has none what kind of value it takes."""
    return field.default if field.default else f"({field.kind})"


def _wrapped(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH - 2, break_long_words=False, break_on_hyphens=False)]


def _is_tables(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and bool(value) and isinstance(value[0], Mapping))


def _of_plugin(host: Host, kind: str, name: str) -> tuple[RecipeField, ...]:
    from lect.specs import HeadSpec, MethodSpec, ObjectiveSpec, ReaderSpec

    kinds: Mapping[str, Any] = {
        "method": MethodSpec,
        "head": HeadSpec,
        "objective": ObjectiveSpec,
        "reader": ReaderSpec,
    }
    return fields_of(host.spec(kinds[kind], name).config)


def _told_of(fields: Sequence[RecipeField], has: Mapping[str, Any]) -> tuple[list[RecipeField], bool]:
    """Of many fields those that are mostly changed, the first ones and those with defaults, and whether that is all."""
    rest = [field for field in fields if field.name not in has and field.name not in _LEFT_OUT and field.meaning]
    unset = [field for field in rest if not field.default]
    told = [field for field in rest if field.default or field in unset[:_UNSET]]
    return told, len(told) == len(rest)

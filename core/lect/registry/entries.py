"""Entries of a `registry.toml` as text, so that a change to one is a change of few lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lect.errors import RegistryError
from lect.registry.format import SCHEMA
from lect.registry.model import ComponentEntry, ListedEntry, StarterEntry, canonical_version


def new_registry_text() -> str:
    """A registry without entries."""
    return f"# Components for lect. Each entry is written by `lect push`.\nschema = {SCHEMA}\n"


def entry_text(entry: ComponentEntry) -> str:
    """A component's entry, to be appended to a registry."""
    import tomlkit

    tables = tomlkit.aot()
    tables.append(_table(entry))
    document = tomlkit.document()
    document["component"] = tables
    return str(tomlkit.dumps(document))


def with_starters(text: str, entries: Sequence[StarterEntry]) -> str:
    """The registry's text with these starters, in the place of those of the same names, or behind all others.

    Comments and everything else stay as they are.
    """
    import tomlkit

    document: Any = tomlkit.parse(text)
    if "starter" not in document:
        document["starter"] = tomlkit.aot()
    tables = document["starter"]
    for entry in entries:
        same = (each for each, table in enumerate(tables) if (table["role"], table["name"]) == (entry.role, entry.name))
        place = next(same, None)
        if place is None:
            tables.append(_table(entry))
        else:
            tables[place] = _table(entry)
    return _ENTRY.sub(r"\1\n\n[[starter]]\n", str(tomlkit.dumps(document)))


_ENTRY = re.compile(r"([^\n])\n\[\[starter\]\]\n")


def with_field(text: str, entry: ComponentEntry, field: str, value: str | None) -> str:
    """The registry's text with one field of a component set, or taken away where it is None.

    Comments and everything else stay as they are.

    Raises:
        RegistryError: the registry does not list the component.
    """
    import tomlkit

    document: Any = tomlkit.parse(text)
    for table in document.get("component", []):
        same = (table.get("role"), table.get("name")) == (entry.role, entry.name)
        if same and canonical_version(str(table.get("version"))) == canonical_version(entry.version):
            if value is None:
                table.pop(field, None)
            else:
                table[field] = _item(value)
            return str(tomlkit.dumps(document))
    raise RegistryError(f"does not list {entry.reference}")


def _table(entry: ListedEntry) -> Any:
    import tomlkit

    values = entry.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)
    # What every reader looks for is said also where it is empty.
    values = {"name": entry.name, "version": entry.version, "role": entry.role, **values}
    table = tomlkit.table()
    for name, value in values.items():
        table[name] = _item(value)
    return table


def _item(value: Any) -> Any:
    import tomlkit

    if isinstance(value, dict):
        table = tomlkit.inline_table()
        for name, inner in value.items():
            table[name] = _item(inner)
        return table
    if isinstance(value, list | tuple):
        array = tomlkit.array()
        for inner in value:
            array.append(_item(inner))
        return array.multiline(bool(value) and isinstance(value[0], dict))
    if isinstance(value, str) and "\n" in value and '"""' not in value:
        return tomlkit.string(value, multiline=True)
    return tomlkit.item(value)

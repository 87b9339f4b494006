"""The registries a user looks in, in order: those of ``registries.toml`` in ``LECT_HOME``, and the bundled one."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lect.cache import data_folder
from lect.errors import RegistryError, nearest
from lect.files import write_aside
from lect.registry.format import FILE

SETTINGS = "registries.toml"
BUNDLED = "bundled"
SCHEMA = 1


@dataclass(frozen=True)
class KnownRegistry:
    """A registry that the user added.

    Args:
        name: what the user calls it.
        source: a folder, ``https:`` URL or ``hf:`` repository.
        mirrors: other places with the very same files, tried in order where the source fails.
        key: a minisign public key; where it is given, only what is signed with it is pulled.
    """

    name: str
    source: str
    mirrors: tuple[str, ...] = ()
    key: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", self.name):
            raise RegistryError(
                f"{self.name!a} cannot be a registry's name",
                fix='take a letter or digit, then letters, digits, ".", "_" or "-"',
            )


def known_registries() -> tuple[KnownRegistry, ...]:
    """Every registry to look in, in order. Raises `RegistryError` where the settings are broken."""
    own = _read()
    bundled = bundled_registry()
    return (*own, KnownRegistry(name=BUNDLED, source=str(bundled))) if bundled else own


def bundled_registry() -> Path | None:
    """The folder of the `registry.toml` that comes with `lect`."""
    packaged = Path(__file__).parent / "bundled"
    # Installed from a checkout, the file is where it is kept.
    checkout = Path(__file__).parents[3]
    return next((place for place in (packaged, checkout) if (place / FILE).is_file()), None)


def add_registry(registry: KnownRegistry, *, first: bool = False) -> None:
    """Look in this registry, too; one of the same name is replaced where it stands.

    Args:
        first: whether it goes before the others.

    Raises:
        RegistryError: the name is taken by the bundled one, or by one whose key would be dropped.
    """
    if registry.name == BUNDLED:
        raise RegistryError(f'"{BUNDLED}" is the registry that comes with lect', fix="give it another --name")
    others = _read()
    before = next((other for other in others if other.name == registry.name), None)
    if before is not None and before.key is not None and registry.key is None:
        raise RegistryError(
            f'the registry "{registry.name}" is known with a key ({before.key}), which this would drop',
            fix=f"add --key, or give this one another --name, or first: lect registry remove {registry.name}",
        )
    if before is not None:
        changed = tuple(registry if other.name == registry.name else other for other in others)
    else:
        changed = (registry, *others) if first else (*others, registry)
    _write(changed)


def remove_registry(name: str) -> KnownRegistry:
    """Look there no more; what was pulled stays. Raises `RegistryError` where there is none of this name."""
    others = _read()
    found = next((other for other in others if other.name == name), None)
    if found is None:
        known = [other.name for other in others]
        raise RegistryError(f'there is no registry "{name}"', fix=nearest(name, known))
    _write(tuple(other for other in others if other is not found))
    return found


def name_for(source: str) -> str:
    """A name for a registry of which the user gave only the place."""
    words = re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", source.split("://")[-1].partition("@")[0].removesuffix(FILE))
    return "-".join(words[-2:])[-60:].lstrip("._-") or "registry"


def _read() -> tuple[KnownRegistry, ...]:
    # By hand rather than with pydantic, which every search would have to wait for.
    from lect.toml import read_toml

    file = data_folder() / SETTINGS
    if not file.exists():
        return ()
    values = read_toml(file, RegistryError)
    if values.get("schema") != SCHEMA:
        raise RegistryError(f"is of schema {values.get('schema')}", where=str(file), fix="upgrade lect")
    tables = values.get("registry", [])
    if set(values) - {"schema", "registry"} or not isinstance(tables, list):
        raise RegistryError("holds more than [[registry]] tables", where=str(file), fix="take the rest out")
    return tuple(_known(table, f"{file}, registry[{index}]") for index, table in enumerate(tables))


def _known(table: Any, where: str) -> KnownRegistry:
    expected = ("name", "source", "mirrors", "key")
    if not isinstance(table, dict) or not {"name", "source"} <= set(table):
        raise RegistryError("says no name or source", where=where, fix="add name and source")
    for field, value in table.items():
        if field not in expected:
            raise RegistryError(f'unknown field "{field}"', where=where, fix=nearest(field, expected))
        texts = value if field == "mirrors" else [value]
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise RegistryError("has a wrong type", where=f"{where}.{field}", fix="write a text, or a list of texts")
    return KnownRegistry(**{**table, "mirrors": tuple(table.get("mirrors", ()))})


def _write(registries: tuple[KnownRegistry, ...]) -> None:
    from lect.toml import toml_text

    tables = [{name: value for name, value in asdict(known).items() if value} for known in registries]
    write_aside(data_folder() / SETTINGS, toml_text({"schema": SCHEMA, "registry": tables}))

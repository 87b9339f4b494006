"""The registries a user looks in, in order: those of ``registries.toml`` in ``LECT_HOME``, and the bundled one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from lect.cache import data_folder
from lect.components.fields import Line, Name, tuple_of
from lect.components.manifest import Entry
from lect.errors import RecipeError, nearest
from lect.files import write_aside
from lect.registry.model import FILE, RegistryError

SETTINGS = "registries.toml"
BUNDLED = "bundled"


class KnownRegistry(Entry):
    """A registry that the user added.

    Args:
        name: what the user calls it.
        source: a folder, ``https:`` URL or ``hf:`` repository.
        mirrors: other places with the very same files, tried in order where the source fails.
        key: a minisign public key; where it is given, only what is signed with it is pulled.
    """

    name: Name
    source: Line
    mirrors: Annotated[tuple[Line, ...], BeforeValidator(tuple_of)] = ()
    key: Line | None = None


class Settings(Entry):
    """The contents of ``registries.toml``."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    registries: Annotated[tuple[KnownRegistry, ...], BeforeValidator(tuple_of)] = Field(default=(), alias="registry")


def known_registries() -> tuple[KnownRegistry, ...]:
    """Every registry to look in, in order. Raises `RegistryError` where the settings are broken."""
    own = _read().registries
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
        RegistryError: the name is taken by the bundled one.
    """
    if registry.name == BUNDLED:
        raise RegistryError(f'"{BUNDLED}" is the registry that comes with lect', fix="give it another --name")
    others = _read().registries
    if any(other.name == registry.name for other in others):
        changed = tuple(registry if other.name == registry.name else other for other in others)
    else:
        changed = (registry, *others) if first else (*others, registry)
    _write(changed)


def remove_registry(name: str) -> KnownRegistry:
    """Look there no more; what was pulled stays. Raises `RegistryError` where there is none of this name."""
    others = _read().registries
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


def _read() -> Settings:
    from lect.host.config import validate_model
    from lect.toml import read_toml

    file = data_folder() / SETTINGS
    if not file.exists():
        return Settings()
    values = read_toml(file, RegistryError)
    if values.get("schema") != 1:
        raise RegistryError(f"is of schema {values.get('schema')}", where=str(file), fix="upgrade lect")
    try:
        return validate_model(Settings, values, str(file))
    except RecipeError as error:
        raise RegistryError(error.what, where=error.where, fix=error.fix) from None


def _write(registries: tuple[KnownRegistry, ...]) -> None:
    from lect.toml import toml_text

    values = Settings(registry=registries).model_dump(by_alias=True, exclude_none=True)
    write_aside(data_folder() / SETTINGS, toml_text(values))

"""``registry.toml`` as a model: the plugins and components that a place offers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PositiveInt, field_validator, model_validator

from lect.errors import LectError, RecipeError, RegistryError
from lect.fields import Languages, Licence, Line, Name, Sha256, VersionText, tuple_of
from lect.literals import Role
from lect.registry.format import SCHEMA
from lect.registry.paths import check_file_path, clash
from lect.storage.manifest import BackboneEntry, Entry, GateEntry, MemberEntry, RequirementEntry, ResultEntry

MAX_FILES = 64
MAX_FILE_BYTES = 64 * 2**30


def _check_path(path: str) -> str:
    try:
        return check_file_path(path)
    except LectError as error:
        raise ValueError(str(error)) from None


FilePath = Annotated[str, AfterValidator(_check_path)]


class FileEntry(Entry):
    """A file of a component.

    Args:
        path: its name inside the component's folder.
        size: in bytes.
    """

    path: FilePath
    size: Annotated[int, Field(ge=0, le=MAX_FILE_BYTES)]
    sha256: Sha256


class ListedEntry(Entry):
    """What a registry says of a component, whether it has the files or a recipe for them."""

    name: Name
    version: VersionText
    role: Role
    languages: Languages = ()
    licence: Licence = ""
    summary: Line = ""

    @property
    def key(self) -> str:
        """Role and name: ``lang:mad``."""
        return f"{self.role}:{self.name}"


class ComponentEntry(ListedEntry):
    """A component that a registry offers: what its manifest says, and its files.

    Args:
        folder: where its files lie, from the registry's root; by default ``components/<role>/<name>/<version>``.
        head: the kind of its head, where it has one.
        members: the components that it stands on.
        signature: over `signed_text`, as minisign writes it.
        yanked: why nobody should use it any more.
    """

    methods: Annotated[tuple[Line, ...], BeforeValidator(tuple_of)] = ()
    head: Line = ""
    folder: FilePath | None = None
    backbone: BackboneEntry
    requires: Annotated[tuple[RequirementEntry, ...], BeforeValidator(tuple_of)] = ()
    members: Annotated[tuple[MemberEntry, ...], BeforeValidator(tuple_of)] = ()
    results: Annotated[tuple[ResultEntry, ...], BeforeValidator(tuple_of)] = ()
    files: Annotated[tuple[FileEntry, ...], BeforeValidator(tuple_of), Field(min_length=1, max_length=MAX_FILES)]
    signature: Annotated[str, Field(max_length=2000)] | None = None
    yanked: Line | None = None

    @field_validator("files")
    @classmethod
    def _files(cls, files: tuple[FileEntry, ...]) -> tuple[FileEntry, ...]:
        # Where a file system folds case, one would silently take the other's place.
        if path := clash(file.path for file in files):
            raise ValueError(f'the file "{path}" is there twice, or in the place of a folder')
        return files

    @property
    def reference(self) -> str:
        """Role, name and version: ``lang:mad@1.2.0``."""
        return f"{self.key}@{self.version}"

    @property
    def place(self) -> str:
        """Where its files lie, from the registry's root."""
        return self.folder or default_folder(self.role, self.name, self.version)

    @property
    def size(self) -> int:
        """The bytes of its files."""
        return sum(file.size for file in self.files)


class PluginEntry(Entry):
    """A plugin that a registry offers.

    Args:
        name: of its entry point.
        distribution: what pip installs.
        api: the host's API it is written for.
        source: a folder or wheel from the registry's root, a URL that pip takes, or ``pypi``.
        sha256: of the wheel, where `source` is one or it comes from PyPI.
    """

    name: Name
    distribution: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=200)]
    version: VersionText
    api: PositiveInt
    licence: Licence = ""
    source: Line = "pypi"
    summary: Line = ""
    sha256: Sha256 | None = None
    yanked: Line | None = None


class StarterEntry(ListedEntry):
    """A component that is not shipped: whoever wants it trains it by its recipe, and compares.

    Args:
        recipe: its file, from the registry's root.
        language: where the recipe is a fleet's, the language that it is trained for, as the recipe writes it.
        weights: SHA-256 of the weights that the recipe gave.
        environment: what it gave them in.
        gate, results: what was measured of the component that the recipe gave.
    """

    recipe: FilePath
    language: Line = ""
    weights: Sha256
    environment: Line = ""
    gate: Annotated[tuple[GateEntry, ...], BeforeValidator(tuple_of)] = ()
    results: Annotated[tuple[ResultEntry, ...], BeforeValidator(tuple_of)] = ()


class Registry(Entry):
    """Everything that a registry offers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    plugins: Annotated[tuple[PluginEntry, ...], BeforeValidator(tuple_of)] = Field(default=(), alias="plugin")
    components: Annotated[tuple[ComponentEntry, ...], BeforeValidator(tuple_of)] = Field(default=(), alias="component")
    starters: Annotated[tuple[StarterEntry, ...], BeforeValidator(tuple_of)] = Field(default=(), alias="starter")

    @model_validator(mode="after")
    def _distinct(self) -> Registry:
        seen = set[tuple[str, str]]()
        for entry in self.components:
            identity = (entry.key.casefold(), canonical_version(entry.version))
            if identity in seen:
                raise ValueError(f"{entry.reference} is there twice")
            seen.add(identity)
        keys = [entry.key for entry in self.starters]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise ValueError(f"the starter {twice} is there twice")
        return self


def default_folder(role: str, name: str, version: str) -> str:
    """Where a component's files lie unless its entry says otherwise."""
    return f"components/{role}/{name}/{version}"


def canonical_version(version: str) -> str:
    """A form by which equal versions are equal texts: ``1.0`` and ``1.0.0`` give ``1``."""
    from packaging.utils import canonicalize_version

    return str(canonicalize_version(version))


def parse_registry(text: str, *, where: str) -> Registry:
    """The registry in a TOML text.

    Raises:
        RegistryError: it is not TOML, of another schema, or a field is wrong; says which.
    """
    from lect.toml import parse_toml

    return registry_of(parse_toml(text, RegistryError, where=where), where=where)


def registry_of(values: Mapping[str, Any], *, where: str) -> Registry:
    """The registry with these values. Raises as `parse_registry`."""
    from lect.validation import validate_model

    schema = values.get("schema")
    if type(schema) is not int:
        raise RegistryError("says no schema", where=where, fix=f"add schema = {SCHEMA}")
    if schema != SCHEMA:
        raise RegistryError(
            f"is of schema {schema}, and this lect reads schema {SCHEMA}", where=where, fix="upgrade lect"
        )
    try:
        return validate_model(Registry, values, where)
    except RecipeError as error:
        raise error.at(RegistryError) from None


def signed_text(entry: ComponentEntry) -> str:
    """What a signature vouches for: which component in which version, and every file's SHA-256.

    In the form that ``sha256sum --check`` reads (a line with ``#`` is a comment).
    """
    lines = [f"# lect component {entry.role}:{entry.name}@{entry.version}"]
    lines += [f"{file.sha256}  {file.path}" for file in sorted(entry.files, key=lambda file: file.path)]
    return "\n".join(lines) + "\n"


def content_hash(entry: ComponentEntry) -> str:
    """One SHA-256 for a component in this version with these files."""
    return hashlib.sha256(signed_text(entry).encode()).hexdigest()

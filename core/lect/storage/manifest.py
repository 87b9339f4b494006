"""What a component says of itself: ``component.toml`` as a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lect.composition.stack import StackText
from lect.errors import ComponentError, RecipeError
from lect.fields import Finite, Languages, Licence, Line, LongText, Name, Sha256, VersionText, check_distinct, tuple_of
from lect.literals import Role, Use
from lect.remembered import FileState, settled_state
from lect.specs import HeadSpec, MethodSpec

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.host import Host

SCHEMA = 1
FILE = "component.toml"


class Entry(BaseModel):
    """A table of a manifest: frozen, of exact types, and without unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BackboneEntry(Entry):
    """The backbone a component was trained on.

    Args:
        name: what it is loaded by: a registered name, a hub id or a folder.
        identity: the hub id, or the package and its version.
        revision: the hub's commit.
        trimmed_from: fingerprints of what it was cut from, where it was (`lect backbones trim`).
        reads: of an encoder-decoder of which both halves were loaded, the fingerprint of the encoder alone.
    """

    name: str = Field(min_length=1)
    identity: str
    revision: str | None = None
    fingerprint: Sha256
    hidden_size: PositiveInt
    trimmed_from: Annotated[tuple[Sha256, ...], BeforeValidator(tuple_of)] = ()
    reads: Sha256 | None = None

    @classmethod
    def of(cls, backbone: Backbone) -> BackboneEntry:
        """The entry of a component that is made on this backbone."""
        return cls(
            name=backbone.name,
            identity=backbone.identity,
            revision=backbone.revision,
            fingerprint=backbone.fingerprint,
            hidden_size=backbone.hidden_size,
            trimmed_from=backbone.trimmed.fingerprints if backbone.trimmed else (),
            reads=backbone.reading.fingerprint if backbone.decoder is not None else None,
        )

    def goes_with(self, other: BackboneEntry) -> bool:
        """Whether one backbone carries components of both.

        They are the same, one was trimmed from the other, or one is the half of the other that reads.
        """
        return (
            self.fingerprint in (other.fingerprint, other.reads)
            or self.reads == other.fingerprint
            or self.fingerprint in other.trimmed_from
            or other.fingerprint in self.trimmed_from
        )


class PartEntry(Entry):
    """A method and its configuration."""

    method: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=200)
    config: dict[str, Any] = Field(default_factory=dict)

    @field_validator("method")
    @classmethod
    def _is_no_head(cls, method: str) -> str:
        # Tensors of the head are saved under this name.
        if method == "head":
            raise ValueError('a method cannot be called "head"')
        return method


class HeadEntry(Entry):
    """A head, its configuration, and its labels in the order of its outputs."""

    kind: Line = Field(min_length=1)
    config: dict[str, Any] = Field(default_factory=dict)
    labels: Annotated[tuple[str, ...], BeforeValidator(tuple_of)] = ()


class RequirementEntry(Entry):
    """A plugin's distribution that provides a method or the head, in the version that trained it."""

    distribution: Line = Field(min_length=1)
    version: Line


class DataEntry(Entry):
    """A source of training rows.

    Args:
        sha256: over its examples; "" where it was not taken.
        cleaning: how many rows there were before cleaning, were kept, and were changed or left out, by reason.
        overlap: how many rows were asked for, and found, in evaluation data, by how they were known.
    """

    source: str
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    rows: NonNegativeInt
    licence: Line = ""
    cleaning: dict[str, NonNegativeInt] | None = None
    overlap: dict[str, NonNegativeInt] | None = None


class MixedEntry(Entry):
    """The run in which a component was trained together with others.

    Args:
        beside: the others, by role and name.
        rows: how many of the component's own rows were seen, again whenever they came again.
        recipe: the mixed recipe, as TOML; of the component's own recipe hold the rest and the learning rates.
    """

    beside: Annotated[tuple[str, ...], BeforeValidator(tuple_of)] = ()
    rows: NonNegativeInt
    recipe: str = ""


class TrainingEntry(Entry):
    """How a component was trained.

    Args:
        epochs: None where the run's length was given in steps, or other components' rows counted, too.
        recipe: the whole recipe, as TOML.
        mixed: the run, where other components were trained in it, too.
    """

    objective: str
    data: Annotated[tuple[DataEntry, ...], BeforeValidator(tuple_of)] = ()
    steps: NonNegativeInt
    epochs: NonNegativeInt | None = None
    seed: int
    seconds: Annotated[NonNegativeFloat, Field(allow_inf_nan=False)]
    hardware: str = ""
    examples: NonNegativeInt
    recipe: str = ""
    mixed: MixedEntry | None = None


class ResultEntry(Entry):
    """A score on a data set.

    Args:
        low, high: the bounds of its confidence interval.
        without: the same score without the component.
        direction: which way the score is better; only said where that is the lower.
    """

    metric: str = Field(min_length=1)
    value: Finite
    low: Finite | None = None
    high: Finite | None = None
    without: Finite | None = None
    dataset: str
    direction: Literal["lower"] | None = None


class GateEntry(Entry):
    """How strongly a language's component acts for a kind of use, as was measured on translations it never saw.

    Args:
        strength: what its changes are scaled by; 0 leaves it out, vocabulary and all. The least that is within a
            standard error of the best one.
        measure: what was measured, in percent; the higher the better.
        score: at that strength.
        without: without the component.
        whole: at the strength 1.
        rows: of how many it was measured.
        task: whose own answers were compared, such as ``task:topic``, and for which alone it holds; "" for all.
    """

    use: Use
    task: Line = ""
    strength: float = Field(ge=0, le=1)
    measure: Line
    score: Finite
    without: Finite
    whole: Finite
    rows: PositiveInt


class MemberEntry(Entry):
    """Another component, in the very state that this one was made with.

    Args:
        component: as a stack names it, such as ``lang:jav``.
        weights: SHA-256 of its ``weights.safetensors``.
    """

    component: StackText
    version: VersionText
    licence: Licence = ""
    weights: Sha256


class OriginEntry(Entry):
    """What a component was made of by arithmetic, such as ``lang:jav + lang:mad - lang:ind``."""

    formula: Line
    members: Annotated[tuple[MemberEntry, ...], BeforeValidator(tuple_of)]


class CardEntry(Entry):
    """What a component's card says beside what the run tells.

    Args:
        citation: how to cite it, as BibTeX or in words.
        intended_use: what it is for, and what not.
        limits: where it is known to fail.
        licence_reason: why its licence is right where the licences of its training data seem to forbid it.
    """

    citation: LongText | None = None
    intended_use: LongText | None = None
    limits: LongText | None = None
    licence_reason: Line | None = None


class Manifest(Entry):
    """Everything of a component but its weights and its tokenizer.

    Args:
        stack: the frozen stack it was trained over; "" for the bare backbone.
        members: the components that it stands on and needs, as a fusion does.
        origin: the components that it was made of and no longer needs.
        requires: what provides its methods and its head.
        own_tokenizer: whether it brings a tokenizer; `write_component` sets it.
        card: what its author adds to its card.
        gate: how strongly a language acts, for each kind of use that was measured.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    name: Name
    version: VersionText = "1.0.0"
    role: Role
    languages: Languages = ()
    licence: Licence = ""
    summary: Line = ""
    stack: StackText = ""
    own_tokenizer: bool = False
    backbone: BackboneEntry
    parts: Annotated[tuple[PartEntry, ...], BeforeValidator(tuple_of)] = ()
    head: HeadEntry | None = None
    members: Annotated[tuple[MemberEntry, ...], BeforeValidator(tuple_of)] = ()
    origin: OriginEntry | None = None
    requires: Annotated[tuple[RequirementEntry, ...], BeforeValidator(tuple_of)] = ()
    training: TrainingEntry | None = None
    card: CardEntry | None = None
    gate: Annotated[tuple[GateEntry, ...], BeforeValidator(tuple_of)] = ()
    results: Annotated[tuple[ResultEntry, ...], BeforeValidator(tuple_of)] = ()

    @property
    def key(self) -> str:
        """How a stack names it: ``lang:jav``."""
        return f"{self.role}:{self.name}"

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of its parts, in order."""
        return tuple(part.method for part in self.parts)

    def __repr__(self) -> str:
        languages = ", ".join(self.languages[:8])
        return f"<Manifest {self.key} {self.version}: {' + '.join(self.methods)} on {self.backbone.name}; {languages}>"

    @field_validator("parts")
    @classmethod
    def _parts(cls, parts: tuple[PartEntry, ...]) -> tuple[PartEntry, ...]:
        check_distinct([part.method for part in parts])
        return parts

    @field_validator("gate")
    @classmethod
    def _gate(cls, gate: tuple[GateEntry, ...], info: ValidationInfo) -> tuple[GateEntry, ...]:
        if gate and info.data.get("role") != "lang":
            raise ValueError("only a language has a gate")
        check_distinct([entry.task or entry.use for entry in gate], "use")
        return gate

    @field_validator("head")
    @classmethod
    def _head(cls, head: HeadEntry | None, info: ValidationInfo) -> HeadEntry | None:
        if head is not None and info.data.get("role") == "lang":
            raise ValueError('a component of role "lang" has no head')
        return head

    @model_validator(mode="after")
    def _something(self) -> Manifest:
        if not self.parts and self.head is None:
            raise ValueError("the component has neither parts nor a head")
        return self


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file.

    Raises:
        ComponentError: it cannot be read, is of another schema, or a field is wrong; says which.
    """
    try:
        state = settled_state(path)
    except OSError:
        state = None
    return _read(path) if state is None else _read_while_unchanged(path, state)


@lru_cache(maxsize=4096)
def _read_while_unchanged(path: Path, state: FileState) -> Manifest:
    return _read(path)


def _read(path: Path) -> Manifest:
    from lect.toml import read_toml

    return manifest_of(read_toml(path, ComponentError), where=str(path))


def manifest_of(values: Mapping[str, Any], *, where: str) -> Manifest:
    """The manifest with these values. Raises as `read_manifest`."""
    from lect.validation import validate_model

    schema = values.get("schema")
    if type(schema) is not int:
        raise ComponentError("says no schema", where=where, fix=f"add schema = {SCHEMA}")
    if schema != SCHEMA:
        raise ComponentError(
            f"is of schema {schema}, and this lect reads schema {SCHEMA}", where=where, fix="upgrade lect"
        )
    try:
        return validate_model(Manifest, values, where)
    except RecipeError as error:
        raise error.at(ComponentError) from None


def requirements_of(host: Host, methods: Sequence[str], head: str | None = None) -> tuple[RequirementEntry, ...]:
    """The plugins that provide these methods, and a head of this kind, in the versions that are installed.

    Raises:
        PluginError: no plugin provides one of them.
    """
    providers = [host.provided(MethodSpec, method).plugin for method in methods]
    if head is not None:
        providers.append(host.provided(HeadSpec, head).plugin)
    distinct = {plugin.distribution: plugin.version for plugin in providers}
    return tuple(RequirementEntry(distribution=name, version=version) for name, version in sorted(distinct.items()))


def manifest_text(manifest: Manifest) -> str:
    """The manifest as TOML that reads back equal."""
    from lect.toml import toml_text

    return toml_text(_ordered(manifest.model_dump(by_alias=True, exclude_none=True)))


def _ordered(values: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty at the top level, but for what a reader looks for first."""
    kept = {"languages", "licence", "summary", "stack"}
    return {name: value for name, value in values.items() if name in kept or (value not in ((), [], {}, False))}

"""What all specs have: the bases of the records that plugins register (`lect.specs`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True)
class Spec:
    """What a plugin registers, of whatever kind.

    Args:
        name: what recipes, manifests and the command line call it.
        summary: what it is, in one line.

    Attributes:
        kind: what messages call such a thing.
        hook: the hook by which plugins register it.
    """

    kind: ClassVar[str]
    hook: ClassVar[str]

    name: str
    summary: str


@dataclass(frozen=True)
class ConfiguredSpec(Spec):
    """A spec whose use has a configuration, read by the model `config`."""

    config: type[BaseModel]

"""What a trimmed backbone knows of those that it was cut from, and which components of theirs it may carry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AliasChoices, BeforeValidator, Field

from lect.errors import BackboneError
from lect.fields import Config, Sha256, tuple_of

if TYPE_CHECKING:
    from torch import Tensor


KEPT = "tokens.safetensors"
"""The file with the ids that the kept tokens had, one tensor a parent, named by its fingerprint."""


class ParentEntry(Config):
    """A backbone that this one was cut from, or that its parent was cut from.

    Args:
        name, identity, revision: as manifests of components have them.
        tokens: of its tokenizer.
        rows: of its embedding.
    """

    name: str
    identity: str
    revision: str | None = None
    fingerprint: Sha256
    tokens: int = Field(gt=0, validation_alias=AliasChoices("tokens", "pieces"))
    rows: int = Field(gt=0)


class TrimmedTable(Config):
    """The table ``[trimmed]`` of a folder's ``lect.toml``.

    Args:
        fingerprint: the trimmed backbone's own.
        parents: the one it was cut from first.
    """

    fingerprint: Sha256
    parents: Annotated[tuple[ParentEntry, ...], BeforeValidator(tuple_of)]


@dataclass(frozen=True)
class Trimmed:
    """Where a backbone comes from: its table, and the folder that holds the ids its tokens had."""

    table: TrimmedTable
    folder: Path

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of all that it was cut from."""
        return tuple(parent.fingerprint for parent in self.table.parents)

    def ids(self, parent: ParentEntry) -> Tensor:
        """The parent's ids of this backbone's tokens, in order. *Shape:* ``(tokens,)``.

        Raises:
            BackboneError: the file that says so is lost or is not what it should be.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = self.folder / KEPT
        try:
            found: Tensor = load_file(file)[parent.fingerprint]
        except (OSError, SafetensorError, KeyError) as error:
            raise BackboneError(
                f"it does not say which tokens of {parent.name} were kept ({error})", where=str(file), fix="trim again"
            ) from error
        ids: Tensor = found.long()
        return ids

"""What a pulled component's folder says of where it came from, and what its files are to be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from lect.errors import ComponentError
from lect.fields import tuple_of
from lect.registry.model import ComponentEntry, FileEntry, content_hash
from lect.storage.manifest import Entry

RECORD = ".pulled.json"
MAX_BYTES = 2**20


class Record(Entry):
    """Where a component was pulled from, and its files as they were listed there.

    Args:
        key: the public key that its signature was checked with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    registry: str
    source: str
    files: Annotated[tuple[FileEntry, ...], BeforeValidator(tuple_of)]
    signature: str | None = None
    key: str | None = None

    def content_hash(self, entry: ComponentEntry) -> str:
        """The hash that this entry would have with these files."""
        return content_hash(entry.model_copy(update={"files": self.files}))


def read_record(folder: Path) -> Record | None:
    """The record in a component's folder; None where it was not pulled. Raises `ComponentError` where it is broken."""
    file = folder / RECORD
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ComponentError(f"cannot be read ({error.strerror or error})", where=str(file)) from None
    try:
        return Record.model_validate_json(content)
    except ValidationError:
        raise ComponentError(
            "does not say what was pulled", where=str(file), fix="remove the component, and pull it again"
        ) from None

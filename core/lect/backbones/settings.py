"""What a backbone's folder says of how `lect` is to use it: its ``lect.toml``, which merging and trimming write."""

from __future__ import annotations

from pathlib import Path

from lect.backbones.trimmed import Trimmed, TrimmedTable
from lect.errors import BackboneError, RecipeError
from lect.fields import Config
from lect.literals import Pooling

FILE = "lect.toml"


class FolderSettings(Config):
    """How sentence vectors are made, what is put before every input, and what the backbone was trimmed from."""

    pooling: Pooling = "mean"
    prefix: str = ""
    licence: str = ""
    trimmed: TrimmedTable | None = None

    def descent(self, folder: Path) -> Trimmed | None:
        """What it was trimmed from, where it was."""
        return None if self.trimmed is None else Trimmed(self.trimmed, folder.absolute())


def read_folder_settings(folder: Path) -> FolderSettings:
    """The settings in a folder; the defaults where it has none. Raises `BackboneError` where they are wrong."""
    from lect.toml import read_toml
    from lect.validation import validate_model

    file = folder / FILE
    if not file.is_file():
        return FolderSettings()
    try:
        return validate_model(FolderSettings, read_toml(file, BackboneError), str(file))
    except RecipeError as error:
        raise error.at(BackboneError) from None


def folder_settings_text(settings: FolderSettings) -> str:
    """The settings as TOML that reads back equal."""
    from lect.toml import toml_text

    return toml_text(settings.model_dump(exclude_none=True))

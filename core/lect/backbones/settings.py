"""What a backbone's folder says of how `lect` is to use it: the file ``lect.toml``, which merging writes."""

from __future__ import annotations

from pathlib import Path

from lect.errors import BackboneError, RecipeError
from lect.specs import Config, Pooling

FILE = "lect.toml"


class FolderSettings(Config):
    """How sentence vectors are made, and what is put before every input."""

    pooling: Pooling = "mean"
    prefix: str = ""
    licence: str = ""


def read_folder_settings(folder: Path) -> FolderSettings:
    """The settings in a folder; the defaults where it has none. Raises `BackboneError` where they are wrong."""
    from lect.host.config import validate_model
    from lect.toml import read_toml

    file = folder / FILE
    if not file.is_file():
        return FolderSettings()
    try:
        return validate_model(FolderSettings, read_toml(file, BackboneError), str(file))
    except RecipeError as error:
        raise BackboneError(error.what, where=error.where, fix=error.fix) from None


def folder_settings_text(settings: FolderSettings) -> str:
    """The settings as TOML that reads back equal."""
    from lect.toml import toml_text

    return toml_text(settings.model_dump())

"""What a PEFT folder says of itself, found without loading `peft`."""

from __future__ import annotations

from pathlib import Path

from lect.components.foreign import ForeignFolder, read_json

CONFIG = "adapter_config.json"


def detect_folder(folder: Path) -> ForeignFolder | None:
    """What `peft` wrote into a folder; None for any other folder.

    Raises:
        ComponentError: its ``adapter_config.json`` is no table.
    """
    if not (folder / CONFIG).is_file():
        return None
    stated = read_json(folder / CONFIG)
    if "peft_type" not in stated:
        return None
    backbone = stated.get("base_model_name_or_path")
    return ForeignFolder(backbone=backbone if isinstance(backbone, str) and backbone else None)

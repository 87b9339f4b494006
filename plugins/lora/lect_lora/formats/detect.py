"""What a PEFT folder says of itself, found without loading `peft`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lect.exchange import ForeignFolder, check_weights, read_json

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
    return ForeignFolder(
        backbone=backbone if isinstance(backbone, str) and backbone else None, generates=_generates(folder, stated)
    )


def _generates(folder: Path, stated: Mapping[str, Any]) -> bool:
    """Whether it acts on the decoder of an encoder-decoder, too: as the names of its tensors say, else its task."""
    weights = folder / "adapter_model.safetensors"
    if weights.is_file():
        return any(".decoder." in name for name in check_weights(weights))
    return stated.get("task_type") == "SEQ_2_SEQ_LM"

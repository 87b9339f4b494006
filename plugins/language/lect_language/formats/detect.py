"""What an AdapterHub folder says of itself, found without loading `adapters`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lect.exchange import ForeignFolder, read_json

CONFIG = "adapter_config.json"
_WITH_TWO_HALVES = ("mbart", "mt5", "t5")
"""Encoder-decoders of `adapters` that lect knows: both halves are changed."""


def detect_folder(folder: Path) -> ForeignFolder | None:
    """What `adapters`, or `adapter-transformers` before it, wrote into a folder; None for any other folder.

    Raises:
        ComponentError: its ``adapter_config.json`` is no table.
    """
    if not (folder / CONFIG).is_file():
        return None
    stated = read_json(folder / CONFIG)
    # Folders of `peft` have a file of the same name, with its own word for the method.
    if "peft_type" in stated or not ({"config", "model_type", "model_class"} & stated.keys()):
        return None
    return ForeignFolder(
        name=_text(stated.get("name")) or "",
        backbone=_text(stated.get("model_name")),
        model_type=_text(stated.get("model_type")),
        generates=stated.get("model_type") in _WITH_TWO_HALVES,
        hidden_size=size if isinstance(size := stated.get("hidden_size"), int) else None,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None

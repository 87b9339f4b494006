"""Tensors that a backbone's folder holds beside what is run of its model: heads, a pooler."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def stored_tensors(folder: Path | None, names: Iterable[str]) -> dict[str, Tensor]:
    """Those of these tensors that a checkpoint's safetensors files hold; none where there is no folder."""
    from safetensors import safe_open

    wanted, found = set(names), {}
    for file in sorted(folder.glob("*.safetensors")) if folder is not None else ():
        with safe_open(file, framework="pt") as opened:
            for name in wanted & set(opened.keys()):
                found[name] = opened.get_tensor(name)
    return found

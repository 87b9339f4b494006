"""Where a run stands, on disk: enough to go on as if it had never stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lect.errors import ComponentError, RecipeError
from lect.files import folder_aside


@dataclass(frozen=True)
class State:
    """How far a run has come.

    Args:
        step: optimiser steps taken.
        recipe: hash of the recipe and the data, which must be the same when the run goes on.
        best: the best validation score so far.
        waited: validations since then.
        seconds: time spent in training.
    """

    step: int
    recipe: str
    best: float | None = None
    waited: int = 0
    seconds: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)


def save_checkpoint(
    folder: Path,
    state: State,
    tensors: Mapping[str, Tensor],
    best: Mapping[str, Tensor] | None,
    optimiser: Mapping[str, Any],
    keep: int,
) -> Path:
    """Write ``step-NNNNNNNN`` beside the earlier ones, whole or not at all, and drop all but the last `keep`."""
    path = folder / f"step-{state.step:08d}"
    with folder_aside(path) as aside:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, aside / "weights.safetensors")
        if best is not None:
            save_file({name: tensor.contiguous() for name, tensor in best.items()}, aside / "best.safetensors")
        torch.save({"optimiser": optimiser, "random": torch.get_rng_state()}, aside / "optimiser.pt")
        (aside / "state.json").write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
    for old in checkpoints(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first."""
    return sorted(path for path in folder.glob("step-????????") if (path / "state.json").is_file())


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as it was read."""

    state: State
    tensors: Mapping[str, Tensor]
    best: Mapping[str, Tensor] | None
    optimiser: Mapping[str, Any]
    random: Tensor


def load_checkpoint(folder: Path, recipe: str) -> Checkpoint | None:
    """The newest checkpoint that can be read whole; None where there is none.

    Raises:
        RecipeError: it was written by another recipe or on other data.
        ComponentError: there are checkpoints, and none can be read.
    """
    broken = None
    for path in reversed(checkpoints(folder)):
        try:
            state = State(**json.loads((path / "state.json").read_text(encoding="utf-8")))
            best = path / "best.safetensors"
            saved = torch.load(path / "optimiser.pt", weights_only=True)
            found = Checkpoint(
                state,
                load_file(path / "weights.safetensors"),
                load_file(best) if best.is_file() else None,
                saved["optimiser"],
                saved["random"],
            )
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, EOFError, SafetensorError) as error:
            broken = (path, error)
            continue
        if state.recipe != recipe:
            raise RecipeError(
                "its checkpoint was made with another recipe or other data",
                where=str(path),
                fix="undo the change, or start anew without --resume",
            )
        return found
    if broken is not None:
        raise ComponentError(f"the checkpoint cannot be read ({broken[1]})", where=str(broken[0]), fix="start anew")
    return None

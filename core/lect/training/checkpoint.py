"""Where a run stands, on disk: enough to go on as if it had never stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lect.errors import ComponentError, RecipeError
from lect.files import PARTIAL, folder_aside
from lect.training.fingerprint import RunFingerprint


@dataclass(frozen=True)
class State:
    """How far a run has come.

    Args:
        step: optimiser steps taken.
        recipe: hash of the recipe and the data; what must be the same where a checkpoint has no fingerprint.
        fingerprint: all that must be the same when the run goes on; None in checkpoints of earlier versions.
        seconds: time spent in training.
        rows: by component, the rows seen.
        best: by component, the best validation score so far.
        waited: by component, the validations since then.
        scores: by component, all of the best validation's scores.
        has_ended: whether no step is left to take, where the run has ended before its last planned one.
    """

    step: int
    recipe: str
    seconds: float = 0.0
    rows: dict[str, int] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    waited: dict[str, int] = field(default_factory=dict)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    fingerprint: RunFingerprint | None = None
    has_ended: bool = False


Tensors = Mapping[str, Mapping[str, Tensor]]
"""By component, its tensors by name."""


def save_checkpoint(
    folder: Path,
    state: State,
    tensors: Tensors,
    best: Tensors,
    running: Mapping[str, Any],
    keep: int,
) -> Path:
    """Write ``step-NNNNNNNN`` beside the earlier ones, whole or not at all, and drop all but the last `keep`.

    Checkpoints of later steps are of a run before this one, and go too; so does what a killed one left unfinished.

    Args:
        running: state of the optimiser, of the scaling of gradients, of each process's random numbers, and of the
            callbacks by name.

    Raises:
        UserError: it cannot be written; those before are as they were.
    """
    path = folder / f"step-{state.step:08d}"
    with folder_aside(path) as aside:
        save_file(_flat(tensors), aside / "weights.safetensors")
        save_file(_flat(best), aside / "best.safetensors")
        torch.save(dict(running), aside / "running.pt")
        (aside / "state.json").write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
    kept = [other for other in checkpoints(folder) if other.name <= path.name][-keep:]
    # Without `state.json` there are those in whose removal a run was killed.
    for old in {*folder.glob("step-????????"), *folder.glob(f".step-*{PARTIAL}")}.difference(kept):
        shutil.rmtree(old, ignore_errors=True)
    return path


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first."""
    return sorted(path for path in folder.glob("step-????????") if (path / "state.json").is_file())


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as it was read."""

    state: State
    tensors: Tensors
    best: Tensors
    running: Mapping[str, Any]


def load_checkpoint(folder: Path, recipe: str, fingerprint: RunFingerprint | None = None) -> Checkpoint | None:
    """The newest checkpoint that can be read whole; None where there is none.

    Args:
        recipe, fingerprint: of the run that would go on, as `State` has them.

    Raises:
        RecipeError: it was written by another recipe, or something that the run reads has changed; says what.
        ComponentError: there are checkpoints, and none can be read.
    """
    broken = None
    for path in reversed(checkpoints(folder)):
        try:
            state = _state(json.loads((path / "state.json").read_text(encoding="utf-8")))
            found = Checkpoint(
                state,
                _nested(load_file(path / "weights.safetensors")),
                _nested(load_file(path / "best.safetensors")),
                _running(torch.load(path / "running.pt", weights_only=True)),
            )
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            RuntimeError,
            EOFError,
            SafetensorError,
            UnpicklingError,
        ) as error:
            broken = (path, error)
            continue
        if problem := _changed(state, recipe, fingerprint):
            raise RecipeError(problem, where=str(path), fix="undo the change, or start anew without --resume")
        return found
    if broken is not None:
        raise ComponentError(f"the checkpoint cannot be read ({broken[1]})", where=str(broken[0]), fix="start anew")
    return None


def _state(values: dict[str, Any]) -> State:
    # Earlier versions called it the ground.
    fingerprint = values.pop("fingerprint", None) or values.pop("ground", None)
    return State(**values, fingerprint=fingerprint and RunFingerprint(**fingerprint))


def _changed(state: State, recipe: str, fingerprint: RunFingerprint | None) -> str | None:
    if state.fingerprint is not None and fingerprint is not None:
        changed = fingerprint.changed_since(state.fingerprint)
        return changed and f"its checkpoint is of another run: {changed}"
    return None if state.recipe == recipe else "its checkpoint was made with another recipe or other data"


def _running(saved: dict[str, Any]) -> dict[str, Any]:
    # Those of earlier versions have no callbacks.
    found = {"callbacks": {}, **saved}
    if found.keys() != {"optimiser", "scaler", "random", "callbacks"}:
        raise ValueError("it is of another version of lect")
    return found


def _flat(tensors: Tensors) -> dict[str, Tensor]:
    # A component's key holds no space.
    return {f"{key} {name}": tensor.contiguous() for key, own in tensors.items() for name, tensor in own.items()}


def _nested(flat: Mapping[str, Tensor]) -> Tensors:
    nested: dict[str, dict[str, Tensor]] = {}
    for joined, tensor in flat.items():
        key, _, name = joined.partition(" ")
        nested.setdefault(key, {})[name] = tensor
    return nested

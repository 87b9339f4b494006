"""The random numbers of a run: all generators that an objective, a part or a library may draw from."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def seed_all(seed: int, process: int = 0) -> None:
    """Start every generator anew.

    Args:
        process: each draws numbers of its own, lest the same noise falls on the rows of all.
    """
    torch.manual_seed(seed if process == 0 else seed + (process << 32))
    random.seed(f"{seed}/{process}" if process else seed)
    np.random.seed((seed + process) % 2**32)


def random_state() -> dict[str, Any]:
    """Where every generator stands, of what `torch.load` reads without unpickling: tensors, numbers, tuples."""
    version, numbers, gauss = random.getstate()
    kind, keys, *rest = np.random.get_state(legacy=True)
    state = {
        "torch": torch.get_rng_state(),
        "python": (version, tuple(numbers), gauss),
        "numpy": (kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), *(float(value) for value in rest)),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Go on from where `random_state` was taken."""
    torch.set_rng_state(state["torch"])
    random.setstate(state["python"])
    kind, keys, place, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), int(place), int(has_gauss), cached))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])

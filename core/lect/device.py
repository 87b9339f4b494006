"""The processor that models run on, and the memory they take."""

from __future__ import annotations

import torch


def default_device() -> torch.device:
    """The first GPU, else Apple's, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def memory_used() -> dict[str, float]:
    """This process's memory in GB: what it holds now, and the most it has held on a GPU."""
    import psutil

    used = {"memory": psutil.Process().memory_info().rss / 1e9}
    if torch.cuda.is_available():
        used["gpu_memory"] = torch.cuda.max_memory_allocated() / 1e9
    return used

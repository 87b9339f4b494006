"""The processor that models run on, and the memory they take."""

from __future__ import annotations

import torch

from lect.errors import UserError


def default_device() -> torch.device:
    """The first GPU, else Apple's, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_named(name: str | torch.device) -> torch.device:
    """The device of a name such as ``cuda:1``, which this machine has.

    Raises:
        UserError: it has none.
    """
    fix = f"use {default_device()}, or leave it out"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        said = str(error).partition("\n")[0].rstrip(".")
        raise UserError(f'the device "{name}" cannot be used ({said})', fix=fix) from None
    if device.type == "meta":
        raise UserError('the device "meta" computes nothing', fix=fix)
    return device


def memory_used() -> dict[str, float]:
    """This process's memory in GB: what it holds now, and the most it has held on a GPU."""
    import psutil

    used = {"memory": psutil.Process().memory_info().rss / 1e9}
    if torch.cuda.is_available():
        used["gpu_memory"] = torch.cuda.max_memory_allocated() / 1e9
    return used

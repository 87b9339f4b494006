"""The processor that models run on."""

from __future__ import annotations

import torch


def default_device() -> torch.device:
    """The first GPU, else Apple's, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")

"""Linear maps by row: one product over a batch of matrices, where every row has a matrix of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def of_rows(tensors: Sequence[Tensor], assignment: Tensor) -> Tensor:
    """Each row's own tensor, in the precision in which products are computed.

    Args:
        tensors: all of one shape.
        assignment: *Shape:* ``(rows,)``; each row's index into `tensors`; rows with -1 get the first one's.

    Returns:
        *Shape:* ``(rows, ...)``.
    """
    stacked = torch.stack(list(tensors))
    kind = stacked.device.type
    if torch.is_autocast_enabled(kind):
        # Before they are copied for every row, which then takes half the time.
        stacked = stacked.to(torch.get_autocast_dtype(kind))
    return stacked[assignment.clamp_min(0)]


def scales_of_rows(scales: Sequence[float], assignment: Tensor, like: Tensor) -> Tensor:
    """Each row's own factor, 0 for rows with -1. *Shape:* ``(rows, 1, 1)``, in the precision of `like`."""
    values = torch.tensor([*scales, 0.0], dtype=like.dtype, device=like.device)
    return values[assignment].view(-1, 1, 1)

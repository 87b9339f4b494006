"""What low-rank parts add to each row, all rows at once: two products over batches of matrices, where every row has
matrices of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Projections:
    """One linear map a part, all of one shape.

    Args:
        weights: *Shape:* ``(features of the output, features of the input)``, as `torch.nn.Linear` has them.
        biases: *Shape:* ``(features of the output,)``; None where there are none.
    """

    weights: Sequence[Tensor]
    biases: Sequence[Tensor] | None = None


def add_by_rows(
    onto: Tensor | None,
    inputs: Tensor,
    down: Projections,
    up: Projections,
    scales: Sequence[float],
    assignment: Tensor,
    activation: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """``onto + scale · up(activation(down(inputs)))`` with each row's own projections; `onto` for rows without any.

    Most of the time goes into passing over tensors of the rows' full width, so that each is passed over once: what is
    added to and the bias are part of the second product, and the scale is taken where the features are few.

    Args:
        onto: *Shape:* ``(rows, length, features of the output)``; None to add nothing.
        inputs: *Shape:* ``(rows, length, features)``.
        scales: one a part.
        assignment: *Shape:* ``(rows,)``; each row's index into the projections, or -1.
        activation: elementwise.

    Returns:
        *Shape:* ``(rows, length, features of the output)``.
    """
    # The narrow features come before the length: products with few columns are slow where they come last.
    first, columns = _of_rows(down.weights, assignment), inputs.transpose(1, 2)
    if down.biases is None:
        narrow = torch.bmm(first, columns)
    else:
        narrow = torch.baddbmm(_of_rows(down.biases, assignment).unsqueeze(2), first, columns)
    if activation is not None:
        narrow = activation(narrow)
    factors = torch.tensor([*scales, 0.0], dtype=narrow.dtype, device=narrow.device)[assignment].view(-1, 1, 1)
    narrow = narrow * factors
    if up.biases is None:
        second = _of_rows(up.weights, assignment).transpose(1, 2)
    else:
        # The bias is one row more, of a feature that is always 1.
        second = _of_rows([torch.cat([weight.T, bias.unsqueeze(0)]) for weight, bias in _paired(up)], assignment)
        narrow = torch.cat([narrow, factors.expand(-1, 1, narrow.shape[2])], dim=1)
    rows = narrow.transpose(1, 2)
    if onto is None:
        return torch.bmm(rows, second)
    if onto.dtype == rows.dtype:
        return torch.baddbmm(onto, rows, second)
    # Under autocast: what is added to keeps its precision.
    return onto + torch.bmm(rows, second)


def _paired(projections: Projections) -> list[tuple[Tensor, Tensor]]:
    assert projections.biases is not None
    return list(zip(projections.weights, projections.biases, strict=True))


def _of_rows(tensors: Sequence[Tensor], assignment: Tensor) -> Tensor:
    """Each row's own tensor, in the precision in which products are computed; rows with -1 get any. *Shape:* ``(rows,
    ...)``."""
    kind = tensors[0].device.type
    if torch.is_autocast_enabled(kind):
        # Before they are copied for every row, which then takes half the time.
        tensors = [tensor.to(torch.get_autocast_dtype(kind)) for tensor in tensors]
    if kind == "cpu":
        # Copied once, not first side by side and then for every row; elsewhere asking for the indices would wait.
        return torch.stack([tensors[index] for index in assignment.tolist()])
    return torch.stack(list(tensors))[assignment]

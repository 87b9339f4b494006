"""What low-rank parts add to each row, all rows at once: two products over batches of matrices, where every row has
matrices of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


class RowParameter(nn.Parameter):
    """A parameter of a part that only one row of a batch goes through: the row's share of a tensor of all rows.

    Attributes:
        of_rows: that tensor, in the order of the batch's rows; zeros for rows that have no such part. *Shape:* ``(rows,
            ...)``.
        rounded: the same in fewer bits, where it is kept in them, too.
    """

    of_rows: Tensor
    rounded: Tensor | None

    @classmethod
    def each(cls, of_rows: Tensor, rounded: Tensor | None) -> list[RowParameter]:
        """Every row's own."""
        found = [cls(row, requires_grad=False) for row in of_rows]
        for parameter in found:
            parameter.of_rows, parameter.rounded = of_rows, rounded
        return found

    def of_first_rows(self, count: int, dtype: torch.dtype) -> Tensor:
        """The tensor of so many rows. *Shape:* ``(count, ...)``."""
        if self.rounded is not None and self.rounded.dtype == dtype:
            return self.rounded[:count]
        return self.of_rows[:count].to(dtype)


@dataclass(frozen=True)
class Projections:
    """One linear map a part, all of one shape.

    Args:
        weights: *Shape:* ``(features of the output, features of the input)``, as `torch.nn.Linear` has them. One tensor
            where each row of a batch has a map of its own, in the order of the rows.
        biases: *Shape:* ``(features of the output,)``; None where there are none.
    """

    weights: Sequence[Tensor] | Tensor
    biases: Sequence[Tensor] | Tensor | None = None

    @property
    def are_of_rows(self) -> bool:
        """Whether each row of the batch has a map of its own, in the order of the rows; of zeros if it has no part."""
        return isinstance(self.weights, Tensor)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights."""
        return self.weights[0].dtype

    def to(self, dtype: torch.dtype) -> Projections:
        """The same maps in another type, and as one tensor where they are those of a batch's rows."""
        biases = None if self.biases is None else _converted(self.biases, dtype)
        return Projections(_converted(self.weights, dtype), biases)


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

    Most of the time goes into passing over tensors of the rows' full width, so that this is done as seldom as can be:
    the second product is added where it is computed, and the scale is taken where the features are few.

    Args:
        onto: *Shape:* ``(rows, length, features of the output)``; None to add nothing.
        inputs: *Shape:* ``(rows, length, features)``.
        scales: one a part.
        assignment: *Shape:* ``(rows,)``; each row's index into the projections, or -1.
        activation: elementwise.

    Returns:
        *Shape:* ``(rows, length, features of the output)``.
    """
    kind = inputs.device.type
    if kind == "cpu" and torch.is_autocast_enabled(kind):
        # Each product in the type of what is wide there, so that only what is narrow is converted.
        added_to = inputs.dtype if onto is None else onto.dtype
        with torch.autocast("cpu", enabled=False):
            return _added(onto, inputs, down.to(inputs.dtype), up.to(added_to), scales, assignment, activation)
    # Before they are copied for every row, which under autocast then takes half the time.
    computed_in = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else down.dtype
    down, up = down.to(computed_in), up.to(computed_in)
    if not torch.is_autocast_enabled(kind):
        # A backbone may be held, and compute, in fewer bits than the trainable parameters.
        inputs = inputs.to(computed_in)
    return _added(onto, inputs, down, up, scales, assignment, activation)


def _added(
    onto: Tensor | None,
    inputs: Tensor,
    down: Projections,
    up: Projections,
    scales: Sequence[float],
    assignment: Tensor,
    activation: Callable[[Tensor], Tensor] | None,
) -> Tensor:
    # The narrow features come before the length: products with few columns are slow where they come last.
    first, columns = _of_rows(down.weights, assignment), inputs.transpose(1, 2)
    if down.biases is None:
        narrow = torch.bmm(first, columns)
    else:
        narrow = torch.baddbmm(_of_rows(down.biases, assignment).unsqueeze(2), first, columns)
    if activation is not None:
        narrow = activation(narrow)
    factors: float | Tensor | None
    if down.are_of_rows:
        # All of one scale, and rows without any add zero.
        factors = None if scales[0] == 1.0 else scales[0]
    else:
        factors = _factors(scales, assignment, narrow.dtype)
    if factors is not None:
        narrow = narrow * factors
    second = _of_rows(up.weights, assignment).transpose(1, 2)
    rows = narrow.transpose(1, 2)
    if not torch.is_autocast_enabled(inputs.device.type):
        rows = rows.to(second.dtype)
    if up.biases is not None:
        # Added to `onto` while that is copied, which it has to be in any case.
        biases = _of_rows(up.biases, assignment).unsqueeze(1)
        if factors is not None:
            biases = biases * factors
        onto = biases.expand(-1, inputs.shape[1], -1) if onto is None else onto + biases.to(onto.dtype)
    if onto is None:
        return torch.bmm(rows, second)
    if onto.dtype != rows.dtype:
        # What is added to keeps its precision.
        return (onto + torch.bmm(rows, second)).to(onto.dtype)
    if up.biases is not None and onto.is_contiguous():
        return onto.baddbmm_(rows, second)
    return torch.baddbmm(onto, rows, second)


def _factors(scales: Sequence[float], assignment: Tensor, dtype: torch.dtype) -> Tensor | None:
    """Each row's scale, 0 for rows without any; None where they are known to be 1. *Shape:* ``(rows, 1, 1)``."""
    # Elsewhere than on the CPU to look at the indices would be to wait for them.
    if assignment.device.type == "cpu" and all(scale == 1.0 for scale in scales) and -1 not in assignment.tolist():
        return None
    if len(set(scales)) == 1:
        # Numbers of ours would have to be sent to a GPU, and be waited for.
        return ((assignment >= 0).to(dtype) * scales[0]).view(-1, 1, 1)
    return torch.tensor([*scales, 0.0], dtype=dtype, device=assignment.device)[assignment].view(-1, 1, 1)


def _converted(tensors: Sequence[Tensor] | Tensor, dtype: torch.dtype) -> Sequence[Tensor] | Tensor:
    if isinstance(tensors, Tensor):
        return tensors.to(dtype)
    first = tensors[0]
    if isinstance(first, RowParameter):
        return first.of_first_rows(len(tensors), dtype)
    return [tensor.to(dtype) for tensor in tensors]


def _of_rows(tensors: Sequence[Tensor] | Tensor, assignment: Tensor) -> Tensor:
    """Each row's own tensor; rows with -1 get any. *Shape:* ``(rows, ...)``."""
    if isinstance(tensors, Tensor):
        return tensors
    if assignment.device.type == "cpu":
        # Copied once, not first side by side and then for every row; elsewhere asking for the indices would wait.
        return torch.stack([tensors[index] for index in assignment.tolist()])
    return torch.stack(list(tensors))[assignment]

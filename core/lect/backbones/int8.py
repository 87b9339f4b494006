"""Frozen projections computed in 8-bit integers on a CPU: their products take a third to three quarters of the time.

Weights are quantised once, a scale for every output (per channel). Inputs are quantised as they come, a scale and a
range for every token, as LLM.int8() has it (Dettmers et al. 2022, section 3.1): with one scale for a whole
tensor, a row's result would hang on its neighbours. Products of integers are exact in whatever order they are summed;
what follows is float32 again. The kernel is oneDNN's, as `torch.compile` calls it for quantised models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_LARGEST, _ZERO = 127, 128
"""Inputs become integers of -127 to 127 around the middle of their token's range, for the kernel 1 to 255."""
_SMALLEST_SCALE = 1e-30
"""For tokens whose features are all the same."""


@dataclass(frozen=True)
class Int8Weight:
    """The quantised weight of a projection.

    Args:
        original: *Shape:* ``(out, in)``; what gradients are computed with.
        packed: the integers, as oneDNN lays them out.
        scales: *Shape:* ``(out,)``.
        sums: *Shape:* ``(1, out)``; what an input of ones gives.
    """

    original: Tensor = field(repr=False)
    packed: Tensor = field(repr=False)
    scales: Tensor = field(repr=False)
    sums: Tensor = field(repr=False)
    zeros: Tensor = field(repr=False)

    @classmethod
    @torch.no_grad()
    def of(cls, weight: Tensor) -> Int8Weight:
        """Quantise a weight. *Shape:* ``(out, in)``."""
        limit = largest_weight()
        scales = (weight.abs().amax(1) / limit).clamp_min_(_SMALLEST_SCALE)
        integers = (weight / scales.unsqueeze(1)).round_()
        sums = (integers.sum(1) * scales).unsqueeze(0)
        packed = torch.ops.onednn.qlinear_prepack(integers.to(torch.int8), None)
        return cls(weight, packed, scales, sums, torch.zeros(len(weight), dtype=torch.int64))

    def product(self, rows: Int8Rows, bias: Tensor | None) -> Tensor:
        """``inputs @ weight.T + bias``. *Shape:* ``(tokens, out)``."""
        summed = torch.ops.onednn.qlinear_pointwise(
            rows.integers, 1.0, 0, self.packed, self.scales, self.zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
        offset = rows.offsets * self.sums if bias is None else torch.addcmul(bias, rows.offsets, self.sums)
        return torch.addcmul(offset, summed, rows.scales, out=summed)


@dataclass(frozen=True)
class Int8Rows:
    """Quantised inputs, each token by itself.

    Args:
        integers: *Shape:* ``(tokens, in)``.
        scales: *Shape:* ``(tokens, 1)``.
        offsets: *Shape:* ``(tokens, 1)``; what an integer of 0 stands for.
    """

    integers: Tensor
    scales: Tensor
    offsets: Tensor

    @classmethod
    def of(cls, inputs: Tensor) -> Int8Rows:
        """Quantise inputs. *Shape:* ``(tokens, in)``."""
        smallest, largest = inputs.amin(1, keepdim=True), inputs.amax(1, keepdim=True)
        middle = smallest.add(largest).mul_(0.5)
        scales = torch.maximum(largest - middle, middle - smallest).div_(_LARGEST).clamp_min_(_SMALLEST_SCALE)
        # Signed integers first, and 128 added as one bit: torch makes unsigned ones of floats at a fifth of the speed.
        signed = inputs.sub(middle).mul_(scales.reciprocal()).round_().to(torch.int8)
        return cls(signed.view(torch.uint8).bitwise_xor_(_ZERO), scales, middle - _ZERO * scales)


class Int8Products(TorchFunctionMode):
    """A block in which products with these weights are computed in integers; gradients are as in float32.

    Args:
        weights: by the identity of what was quantised.
    """

    def __init__(self, weights: Mapping[int, Int8Weight]) -> None:
        super().__init__()
        self._weights = weights
        self._last: tuple[Tensor, int, Int8Rows] | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func is not functional.linear or len(args) < 2 or (own := self._weights.get(id(args[1]))) is None:
            return func(*args, **named)
        inputs: Tensor = args[0]
        bias = args[2] if len(args) > 2 else named.get("bias")
        if torch.is_grad_enabled() and inputs.requires_grad:
            return _Int8Product.apply(inputs, own, bias)  # type: ignore[no-untyped-call]
        return own.product(self._rows(inputs), bias).view(*inputs.shape[:-1], -1)

    def __exit__(self, *error: Any) -> None:
        self._last = None
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def _rows(self, inputs: Tensor) -> Int8Rows:
        """The quantised inputs; what several projections are given in turn (as query, key and value are) once."""
        if inputs.is_inference():
            return Int8Rows.of(inputs.flatten(0, -2))
        if self._last is None or self._last[0] is not inputs or self._last[1] != inputs._version:
            self._last = inputs, inputs._version, Int8Rows.of(inputs.flatten(0, -2))
        return self._last[2]


class _Int8Product(torch.autograd.Function):
    """Forward in integers, backward with the weight that was quantised (the straight-through estimator)."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Int8Weight, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight.original)
        return weight.product(Int8Rows.of(inputs.flatten(0, -2)), bias).view(*inputs.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return gradients[0] @ weight, None, None


def quantised_projections(modules: Iterable[tuple[str, nn.Module]]) -> dict[int, Int8Weight]:
    """The frozen projections among a model's modules, each quantised, by the identity of its weight."""
    return {
        id(module.weight): Int8Weight.of(module.weight)
        for _, module in modules
        if type(module) is nn.Linear and module.weight.dtype == torch.float32 and not module.weight.requires_grad
    }


@cache
def largest_weight() -> int:
    """The largest integer that a weight may become: 127, or 64 where the processor sums pairs of products in 16 bits.

    Without VNNI two products of 255 × 127 do not fit there, and what overflows is silently cut off.
    """
    ones = torch.full((1, 64), 127, dtype=torch.int8).expand(16, 64).contiguous()
    packed, scales = torch.ops.onednn.qlinear_prepack(ones, None), torch.ones(16)
    zeros = torch.zeros(16, dtype=torch.int64)
    inputs = torch.full((4, 64), 255, dtype=torch.uint8)
    found = torch.ops.onednn.qlinear_pointwise(
        inputs, 1.0, 0, packed, scales, zeros, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return 127 if bool((found == 64 * 127 * 255).all()) else 64

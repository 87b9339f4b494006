"""Attention in float32 under bfloat16 autocast on a CPU.

PyTorch's fused CPU attention is slow in bfloat16, above all backwards: on 2 cores a training step of e5-small
(16 × 42 tokens) took 0.71 s with it, and 0.34 s with attention alone in float32. It is the more exact way, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode


def attention_precision(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """The context in which a backbone on this device computes its attention."""
    if device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        return _Float32Attention()
    return contextlib.nullcontext()


class _Float32Attention(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if func is not scaled_dot_product_attention:
            return func(*args, **named)
        low = [value for value in (*args, *named.values()) if _is_low(value)]
        if not low:
            return func(*args, **named)
        with torch.autocast("cpu", enabled=False):
            wide = [_widened(value) for value in args]
            return func(*wide, **{name: _widened(value) for name, value in named.items()}).to(low[0].dtype)


def _is_low(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype in (torch.bfloat16, torch.float16)


def _widened(value: Any) -> Any:
    return value.float() if _is_low(value) else value

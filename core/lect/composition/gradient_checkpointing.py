"""Layers that keep nothing of what they compute and compute it again on the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

Call = Callable[..., Any]


@contextmanager
def checkpoint_layers(layers: Iterable[nn.Module], again: Callable[[Call], Call]) -> Iterator[None]:
    """A block in which these modules keep nothing but their inputs (gradient checkpointing, Chen et al. 2016).

    Args:
        again: makes of a layer's own computation one that gives the same later, outside of the block.
    """
    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_forgetful(layer, again))
        yield


@contextmanager
def _forgetful(layer: nn.Module, again: Callable[[Call], Call]) -> Iterator[None]:
    original, replaced = layer.forward, layer.__dict__.get("forward")

    def forward(*positional: Any, **named: Any) -> Any:
        return checkpoint(again(original), *positional, use_reentrant=False, **named)

    layer.__dict__["forward"] = forward
    try:
        yield
    finally:
        del layer.__dict__["forward"]
        if replaced is not None:
            layer.__dict__["forward"] = replaced

"""What stands below a layer of `peft` in place of the projection it wraps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lect import BaseLayer


class Base(nn.Linear):
    """A frozen projection of the backbone as a layer of `peft` sees it: its weight, and a call that the host answers.

    It owns no weight of the backbone. Some methods begin by moving a low-rank share of the weight into their own
    matrices (PiSSA, OLoRA); where the library takes that share out of the weight, it is kept here and taken out of
    what the projection gives, so that the backbone stays what it is.

    Args:
        linear: the backbone's module.
        rank: the rank of the share that is taken out; 0 for none.
    """

    def __init__(self, linear: nn.Linear, rank: int = 0) -> None:
        # Without torch's own initialisation, which would make a weight.
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        # In a tuple, so that it does not become a submodule.
        self._backbone = (linear,)
        self._base_layer: BaseLayer | None = None
        if rank:
            self.register_buffer("share_A", linear.weight.new_zeros(rank, self.in_features, dtype=torch.float32))
            self.register_buffer("share_B", linear.weight.new_zeros(self.out_features, rank, dtype=torch.float32))
        else:
            self.share_A = self.share_B = None

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The frozen weight, less the share taken out. *Shape:* ``(out_features, in_features)``."""
        # Backbones may hold their weights in fewer bits than they compute in.
        weight = self._backbone[0].weight.float()
        if self.share_A is None:
            return weight
        return nn.Parameter(weight - self.share_B @ self.share_A, requires_grad=False)

    @property
    def bias(self) -> Tensor | None:  # type: ignore[override]
        """The frozen bias. *Shape:* ``(out_features,)``."""
        return self._backbone[0].bias

    def forward(self, inputs: Tensor) -> Tensor:
        """What stands below gives for these inputs."""
        if self._base_layer is None:
            return self.plain(inputs)
        output = self._base_layer(inputs)
        if self.share_A is None:
            return output
        return output - functional.linear(functional.linear(inputs, self.share_A), self.share_B)

    def plain(self, inputs: Tensor) -> Tensor:
        """The frozen projection itself."""
        return functional.linear(inputs, self.weight, self.bias)

    @contextmanager
    def standing_on(self, base_layer: BaseLayer) -> Iterator[None]:
        """For the time being, calls are answered by `base_layer`."""
        self._base_layer = base_layer
        try:
            yield
        finally:
            self._base_layer = None

    @torch.no_grad()
    def take_out(self, matrix_a: Tensor, matrix_b: Tensor) -> None:
        """Take the share ``matrix_b @ matrix_a`` out of the weight."""
        assert self.share_A is not None and self.share_B is not None
        self.share_A.copy_(matrix_a)
        self.share_B.copy_(matrix_b)

    def __deepcopy__(self, memo: dict[int, Any]) -> Base:
        # A copy of a part stands on the same backbone.
        own = Base(self._backbone[0], 0 if self.share_A is None else len(self.share_A))
        if self.share_A is not None:
            own.take_out(self.share_A, self.share_B)
        return own.train(self.training)


def base_of(layer: nn.Module) -> Base:
    """What a layer stands on."""
    base = layer.base_layer
    assert isinstance(base, Base)
    return base

"""Plain LoRA with as few passes over the output as can be; many of one rank in one batch by products over batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn

from lect import Projections, add_by_rows
from lect_lora.base import base_of

_ADAPTER = "default"


@dataclass(frozen=True)
class PlainLora:
    """A plain LoRA (Hu et al. 2022, section 4.1), with its matrices' modules at hand.

    Args:
        strength: how many times the layer's own change it makes.
    """

    layer: nn.Module
    down: nn.Linear
    up: nn.Linear
    strength: float = 1.0

    @classmethod
    def of(cls, layer: nn.Module) -> PlainLora | None:
        """The layer's modules; None where it is another method.

        One that took a share out of the weight it stands on (PiSSA, OLoRA) is none: it adds less than its matrices
        give.
        """
        plain = (
            type(layer) is Linear
            and base_of(layer).share_A is None
            and not layer.lora_variant
            and not layer.lora_bias[_ADAPTER]
            and not layer.fan_in_fan_out
        )
        return cls(layer, layer.lora_A[_ADAPTER], layer.lora_B[_ADAPTER]) if plain else None

    @property
    def scale(self) -> float:
        """What the product of the matrices is multiplied by."""
        return self.strength * float(self.layer.scaling[_ADAPTER])

    @property
    def is_plain_now(self) -> bool:
        """Whether it drops out none of its input, and is neither switched off nor merged."""
        layer = self.layer
        draws = layer.training and not isinstance(layer.lora_dropout[_ADAPTER], nn.Identity)
        return not (draws or layer.disable_adapters or layer.merged)


def can_be_batched(members: Sequence[PlainLora | None]) -> TypeGuard[Sequence[PlainLora]]:
    """Whether these are all plain LoRA of one rank, now."""
    rank = None if members[0] is None else members[0].down.out_features
    return all(plain is not None and plain.down.out_features == rank and plain.is_plain_now for plain in members)


def add_lora_by_rows(members: Sequence[PlainLora], inputs: Tensor, onto: Tensor, assignment: Tensor) -> Tensor:
    """What each row's own LoRA adds to `onto`; nothing for rows that have none.

    Args:
        members: all of one rank.
        inputs: *Shape:* ``(rows, length, features)``.
        onto: *Shape:* ``(rows, length, features of the output)``.
        assignment: *Shape:* ``(rows,)``; each row's index into `members`, or -1.

    Returns:
        *Shape:* ``(rows, length, features of the output)``.
    """
    return add_by_rows(
        onto,
        inputs,
        Projections([plain.down.weight for plain in members]),
        Projections([plain.up.weight for plain in members]),
        [plain.scale for plain in members],
        assignment,
    )


def add_lora(plain: PlainLora, inputs: Tensor, onto: Tensor) -> Tensor:
    """What one LoRA adds to `onto`, for all rows.

    `peft`'s own layer passes over the output three times (the product, its scale, the sum), and so does the way back;
    here it is one scaled product onto what is there.

    Args:
        inputs: *Shape:* ``(rows, ..., features)``.
        onto: *Shape:* ``(rows, ..., features of the output)``.

    Returns:
        *Shape:* ``(rows, ..., features of the output)``.
    """
    # As `peft` does: a backbone may be held, and compute, in fewer bits than the trainable parameters.
    narrow, scale = plain.down(inputs.to(plain.down.weight.dtype)), plain.scale
    if onto.dtype != narrow.dtype or onto.shape[:-1] != narrow.shape[:-1]:
        # Under autocast: what is added to keeps its precision.
        return (onto + plain.up(narrow) * scale).to(onto.dtype)
    added = torch.addmm(onto.flatten(0, -2), narrow.flatten(0, -2), plain.up.weight.T, alpha=scale)
    return added.view(onto.shape)

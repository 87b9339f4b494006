"""Many LoRAs of one rank in one batch: two products over batches of matrices instead of two a LoRA."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn

from lect.composition.together import of_rows, scales_of_rows
from lect_lora.base import base_of

_ADAPTER = "default"


def can_act_together(layers: Sequence[nn.Module]) -> bool:
    """Whether these layers are plain LoRA (Hu et al. 2022, section 4.1) of one rank, and draw no dropout.

    One that took a share out of the weight it stands on (PiSSA, OLoRA) is none: it adds less than its matrices give.
    """
    return all(_is_plain(layer) for layer in layers) and len({_rank(layer) for layer in layers}) == 1


def changes(layers: Sequence[nn.Module], inputs: Tensor, assignment: Tensor) -> Tensor:
    """What each row's own LoRA adds; zero for rows that have none.

    Args:
        inputs: *Shape:* ``(rows, length, features)``.
        assignment: *Shape:* ``(rows,)``; each row's index into `layers`, or -1.

    Returns:
        *Shape:* ``(rows, length, features of the output)``.
    """
    first = of_rows([layer.lora_A[_ADAPTER].weight for layer in layers], assignment)
    second = of_rows([layer.lora_B[_ADAPTER].weight for layer in layers], assignment)
    narrow = torch.bmm(inputs, first.transpose(1, 2))
    scales = scales_of_rows([layer.scaling[_ADAPTER] for layer in layers], assignment, narrow)
    return torch.bmm(narrow * scales, second.transpose(1, 2))


def _is_plain(layer: nn.Module) -> bool:
    return (
        type(layer) is Linear
        and base_of(layer).share_A is None
        and not layer.lora_variant
        and not layer.lora_bias[_ADAPTER]
        and not layer.fan_in_fan_out
        and not layer.disable_adapters
        and not layer.merged
        and (not layer.training or isinstance(layer.lora_dropout[_ADAPTER], nn.Identity))
    )


def _rank(layer: nn.Module) -> tuple[int, ...]:
    return tuple(layer.lora_A[_ADAPTER].weight.shape)

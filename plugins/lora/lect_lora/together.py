"""Many LoRAs of one rank in one batch: two products over batches of matrices instead of two a LoRA."""

from __future__ import annotations

from collections.abc import Sequence

from peft.tuners.lora.layer import Linear
from torch import Tensor, nn

from lect.composition.together import Projections, add_by_rows
from lect_lora.base import base_of

_ADAPTER = "default"


def can_act_together(layers: Sequence[nn.Module]) -> bool:
    """Whether these layers are plain LoRA (Hu et al. 2022, section 4.1) of one rank, and draw no dropout.

    One that took a share out of the weight it stands on (PiSSA, OLoRA) is none: it adds less than its matrices give.
    """
    return all(_is_plain(layer) for layer in layers) and len({_rank(layer) for layer in layers}) == 1


def changed(layers: Sequence[nn.Module], inputs: Tensor, onto: Tensor, assignment: Tensor) -> Tensor:
    """What each row's own LoRA adds to `onto`; nothing for rows that have none.

    Args:
        inputs: *Shape:* ``(rows, length, features)``.
        onto: *Shape:* ``(rows, length, features of the output)``.
        assignment: *Shape:* ``(rows,)``; each row's index into `layers`, or -1.

    Returns:
        *Shape:* ``(rows, length, features of the output)``.
    """
    return add_by_rows(
        onto,
        inputs,
        Projections([layer.lora_A[_ADAPTER].weight for layer in layers]),
        Projections([layer.lora_B[_ADAPTER].weight for layer in layers]),
        [layer.scaling[_ADAPTER] for layer in layers],
        assignment,
    )


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

"""How a run is optimised: number format, optimiser, clipping, and the schedule of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from lect.backbones.precision import cpu_has_bfloat16
from lect.errors import RecipeError
from lect.recipes.training import LearningTable, PrecisionName, Schedule

Parameters = Mapping[str, nn.Parameter]
"""What is trained of a component, by its name in it."""


@dataclass(frozen=True)
class Precision:
    """A number format, as Accelerate calls it (`no`, `bf16`, `fp16`), and the reason for it."""

    name: Literal["float32", "bfloat16", "float16", "int8"]
    mixed: Literal["no", "bf16", "fp16"]
    reason: str


def choose_precision(requested: PrecisionName, device: torch.device) -> Precision:
    """The precision of a run: what was asked for, or bfloat16 where the hardware computes in it.

    int8 is that of the frozen projections; whatever is trained, and gradients, are then in float32.

    Raises:
        RecipeError: float16 was asked for on a CPU, where gradients would be lost, or int8 elsewhere.
    """
    if requested == "auto":
        if device.type == "cuda":
            if torch.cuda.is_bf16_supported(including_emulation=False):
                return Precision("bfloat16", "bf16", "the GPU computes in bfloat16")
            return Precision("float32", "no", "the GPU has no bfloat16")
        if device.type == "cpu" and cpu_has_bfloat16():
            return Precision("bfloat16", "bf16", "the CPU computes in bfloat16")
        return Precision("float32", "no", f"no bfloat16 in hardware on this {device.type}")
    if requested == "float16" and device.type == "cpu":
        raise RecipeError(
            "float16 cannot be trained on a CPU", where="training.precision", fix='use "auto", "bfloat16" or "float32"'
        )
    if requested == "int8" and device.type != "cpu":
        raise RecipeError("int8 is computed on CPUs", where="training.precision", fix='use "auto" or "bfloat16"')
    mixed: dict[str, Literal["no", "bf16", "fp16"]] = {"bfloat16": "bf16", "float16": "fp16"}
    return Precision(requested, mixed.get(requested, "no"), "as asked for")


def make_accelerator(precision: Precision) -> Any:
    """An `Accelerator` of this precision, which scales gradients and autocasts."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import patch_environment

    # Accelerate keeps the first run's precision for the process; a second run may ask for another.
    AcceleratorState._reset_state()
    # Which modules are sharded is not its affair (`lect.training.distributed.sharding`).
    with patch_environment(ACCELERATE_USE_FSDP="false"):
        return Accelerator(mixed_precision=precision.mixed)


def make_optimiser(components: Sequence[tuple[Parameters, LearningTable]]) -> torch.optim.Optimizer:
    """AdamW over the components' parameters; what got no gradient in a step it leaves as it is, with its moments.

    A group has one learning rate: the method's (or head's) own, or the component's. Vectors have no weight decay.
    """
    groups = [group for parameters, settings in components for group in _groups(parameters, settings)]
    return torch.optim.AdamW(groups, lr=components[0][1].learning_rate, fused=True)


def clip_gradients(components: Iterable[Parameters], limit: float) -> None:
    """Scale each component's gradient, as if it was alone, so that its norm is at most `limit`."""
    for parameters in components:
        torch.nn.utils.clip_grad_norm_(list(parameters.values()), limit)


def learning_rate_factor(step: int, total: int, schedule: Schedule, warmup: float) -> float:
    """What the learning rate is multiplied with at a step, 0 to 1.

    Args:
        step: steps already taken.
        warmup: the share of `total` over which the rate rises; linearly, but for ``one-cycle``, where it rises along a
            half cosine from 1/25 and falls to 1/10,000 (Smith and Topin 2018).
    """
    rising = warmup * total
    if step < rising:
        return _half_cosine(1 / 25, 1.0, step / rising) if schedule == "one-cycle" else (step + 1) / (rising + 1)
    return _AFTER_WARMUP[schedule]((step - rising) / max(total - rising, 1))


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


_AFTER_WARMUP: Mapping[Schedule, Callable[[float], float]] = {
    "linear": lambda done: max(0.0, 1 - done),
    "cosine": lambda done: _half_cosine(1.0, 0.0, done),
    "constant": lambda done: 1.0,
    "one-cycle": lambda done: _half_cosine(1.0, 1e-4, done),
}
"""The factor by the share of the steps after warm-up that are taken; the names are those of `Schedule`."""


def _groups(parameters: Parameters, settings: LearningTable) -> list[dict[str, Any]]:
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        rate = settings.learning_rates.get(name.split(".", 1)[0], settings.learning_rate)
        decay = settings.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": members, "lr": rate, "weight_decay": decay} for (rate, decay), members in groups.items()]

"""The optimiser of a run, and the library that scales and autocasts for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from lect.training.precision import Precision
from lect.training.task import Learner


def make_accelerator(precision: Precision) -> Any:
    """An `Accelerator` of this precision."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import patch_environment

    # Accelerate keeps the first run's precision for the process; a second run may ask for another.
    AcceleratorState._reset_state()
    # Which modules are cut over the processes is not its affair (`lect.training.sharding`).
    with patch_environment(ACCELERATE_USE_FSDP="false"):
        return Accelerator(mixed_precision=precision.mixed)


def make_optimiser(learners: Sequence[Learner]) -> torch.optim.Optimizer:
    """AdamW over the learners' parameters; what got no gradient in a step it leaves as it is, with its moments.

    A group has one learning rate: the method's (or head's) own, or the learner's. Vectors have no weight decay.
    """
    groups = [group for learner in learners for group in _groups(learner)]
    return torch.optim.AdamW(groups, lr=learners[0].settings.learning_rate, fused=True)


def clip_gradients(accelerator: Any, learners: Sequence[Learner], limit: float) -> None:
    """Scale each learner's gradient, as if it was alone, so that its norm is at most `limit`."""
    # Scaled gradients of float16, once for all: Accelerate's own clipping would do it again for each learner.
    accelerator.unscale_gradients()
    for learner in learners:
        torch.nn.utils.clip_grad_norm_(list(learner.parameters.values()), limit)


def _groups(learner: Learner) -> list[dict[str, Any]]:
    settings = learner.settings
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in learner.parameters.items():
        rate = settings.learning_rates.get(name.split(".", 1)[0], settings.learning_rate)
        decay = settings.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": members, "lr": rate, "weight_decay": decay} for (rate, decay), members in groups.items()]

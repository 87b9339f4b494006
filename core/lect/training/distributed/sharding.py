"""The frozen backbone sharded over the processes: each holds a share of every layer, and gets the rest when needed.

Asked for as Accelerate has it, by a configuration with FSDP (``lect launch --config``), and done by PyTorch's second
FSDP (`fully_shard`). Only the frozen layers are sharded. What is trained is small and stays whole in each process, and
`Processes` sums its gradients: parts stand across the layers, and have gradients only where rows went through them.
"""

from __future__ import annotations

import os
from itertools import takewhile
from typing import Any

from lect.backbones.anatomy import Layer
from lect.composition.model import RoutedModel
from lect.errors import UserError
from lect.training.distributed.processes import launched


def is_sharded() -> bool:
    """Whether the launcher was asked to shard the model over the processes."""
    return launched() and _flag("ACCELERATE_USE_FSDP")


def shard_backbone(model: RoutedModel, components: int, device: Any) -> None:
    """Shard the frozen layers over the processes, in place.

    Raises:
        UserError: several components are trained, so that processes would go through the layers in different ways.
    """
    if components > 1:
        raise UserError(
            "over a backbone that is sharded (FSDP) one component at a time can be trained",
            where="train.mix",
            fix="train them one after the other, or launch without FSDP",
        )
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import CPUOffloadPolicy, OffloadPolicy, fully_shard

    mesh = init_device_mesh(torch.device(device).type, (int(os.environ["WORLD_SIZE"]),))
    offload = CPUOffloadPolicy() if _flag("FSDP_OFFLOAD_PARAMS") else OffloadPolicy()
    reshard = _flag("FSDP_RESHARD_AFTER_FORWARD", default=True)
    paths = dict.fromkeys(_module_of(layer) for layer in model.backbone.anatomy.layers)
    for path in paths:
        fully_shard(model.backbone.module(path), mesh=mesh, reshard_after_forward=reshard, offload_policy=offload)


def _module_of(layer: Layer) -> str:
    """The path of the module that holds the whole layer."""
    names = zip(layer.attention.output.split("."), layer.feed_forward.output.split("."), strict=False)
    return ".".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], names))


def _flag(name: str, default: bool = False) -> bool:
    value = os.environ.get(name, "").lower()
    return value in {"1", "true", "yes", "full_shard"} if value else default

"""What a part must leave as it was: all that can be seen of a backbone."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lect.backbones.backbone import Backbone
from lect.backbones.fingerprint import fingerprint_of


def traces_of(backbone: Backbone) -> dict[str, Any]:
    """What of a backbone must be the same before and after."""
    modules = dict(backbone.model.named_modules())
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "fingerprint": fingerprint_of(backbone.model, backbone.tokenizer),
        "list of modules": {path: id(module) for path, module in modules.items()},
        "list of modules with a forward of their own": [
            path for path, module in modules.items() if "forward" in vars(module)
        ],
        "list of hooks": {path: [len(getattr(module, hook)) for hook in hooks] for path, module in modules.items()},
        "list of parameters": {name: id(parameter) for name, parameter in backbone.model.named_parameters()},
        "list of buffers": {name: memory_of(buffer) for name, buffer in backbone.model.named_buffers()},
        "list of trained parameters": [
            name for name, value in backbone.model.named_parameters() if value.requires_grad
        ],
        "list of gradients": [name for name, value in backbone.model.named_parameters() if value.grad is not None],
        "mode": {path: module.training for path, module in modules.items()},
    }


def memory_of(tensor: Tensor) -> int:
    """Where the tensor's memory begins, which views of it share."""
    return tensor.untyped_storage().data_ptr()

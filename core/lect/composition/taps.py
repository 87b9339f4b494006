"""Where residuals pass by in a backbone, they are seen by hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lect.backbones.anatomy import Tap


def tap_residual(module: nn.Module, tap: Tap, see: Callable[[Tap, Tensor], None]) -> RemovableHandle:
    """Show a function the residual that passes by at a module, whenever that is called."""

    def see_input(_module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        see(tap, inputs[0] if inputs else next(iter(named.values())))

    def see_output(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
        see(tap, output)

    if tap.kind == "input":
        return module.register_forward_pre_hook(see_input, with_kwargs=True)
    return module.register_forward_hook(see_output)

"""AdaLoRA's rank budget and orthogonality term, in the host's training loop (Zhang et al. 2023)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from peft import AdaLoraConfig
from peft.tuners.adalora.layer import RankAllocator
from torch import Tensor, nn

from lect import RecipeError
from lect_lora.part import ADAPTER, BaseUse, PeftPart

if TYPE_CHECKING:
    from lect_lora.config import AdaloraConfig


class AdaloraPart(PeftPart):
    """`PeftPart` whose singular values are masked, fewer from step to step, by `peft`'s rank allocator.

    A run that goes on from a checkpoint gathers its running averages of importance anew.
    """

    def __init__(
        self,
        linears: nn.Module,
        base_uses: Mapping[str, BaseUse],
        config: AdaloraConfig,
        library_config: AdaLoraConfig,
    ) -> None:
        super().__init__(linears, base_uses)
        self._config, self._library_config = config, library_config
        self._allocator: RankAllocator | None = None
        self._layers = [linears.get_submodule(site) for site in base_uses]
        for layer in self._layers:
            # The last decision, which a run that goes on from a checkpoint must know.
            layer.register_buffer("kept", torch.ones_like(layer.lora_E[ADAPTER]))

    def after_step(self, step: int, total_steps: int) -> None:
        """Update the importance of every rank, and mask those over the budget.

        Raises:
            RecipeError: the run has no steps between `tinit` and `tfinal`.
        """
        if self._allocator is None:
            self._allocator = self._allocator_for(total_steps)
        last = total_steps - self._allocator.peft_config.tfinal
        if step < last:
            # Without gradients none of the step's rows used this part.
            if all(matrix.grad is not None for matrix in self._matrices()):
                self._allocator.update_and_allocate(self.linears, step)
        elif step == last and self._allocator.ipt:
            self._allocator.update_and_allocate(self.linears, step, force_mask=True)
            self._allocator.reset_ipt()
            for layer in self._layers:
                layer.kept.copy_(layer.lora_E[ADAPTER] != 0)
        else:
            with torch.no_grad():
                for layer in self._layers:
                    layer.lora_E[ADAPTER].mul_(layer.kept)

    def penalty(self) -> Tensor | None:
        """How far the singular vectors are from orthonormal, weighted by ``orth_reg_weight``."""
        weight = self._library_config.orth_reg_weight
        if not weight:
            return None
        distances = []
        for name, matrix in self.linears.named_parameters():
            if ".lora_A." in name or ".lora_B." in name:
                products = matrix @ matrix.T if ".lora_A." in name else matrix.T @ matrix
                distances.append(torch.linalg.norm(products - torch.eye(len(products)).to(products)))
        return weight * torch.stack(distances).mean()

    def _allocator_for(self, total_steps: int) -> RankAllocator:
        settings = copy.copy(self._library_config)
        start, end = (_steps(value, total_steps) for value in (self._config.tinit, self._config.tfinal))
        if start >= total_steps - end:
            raise RecipeError(
                f"a run of {total_steps} steps has none between tinit ({start} steps) and tfinal (the last {end})",
                where='method "adalora"',
                fix="train longer, or choose smaller ones",
            )
        settings.tinit, settings.tfinal, settings.total_step = start, end, total_steps
        return RankAllocator(self.linears, settings, ADAPTER)

    def _matrices(self) -> list[Tensor]:
        return [value for name, value in self.linears.named_parameters() if ".lora_" in name]


def _steps(value: float, total_steps: int) -> int:
    return int(value * total_steps) if value < 1 else int(value)

"""A model that a user has in memory, as a backbone: frozen while it is held, and given back as it was."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from lect.backbones.anatomy import check_family
from lect.backbones.backbone import Backbone
from lect.backbones.families import FAMILIES
from lect.errors import BackboneError
from lect.literals import Pooling


class HeldModel:
    """A model of `transformers` and its tokenizer, held as a backbone until they are given back.

    Args:
        model: its base model is taken where it has a head. It stays the same object, with the same parameters.
        tokenizer: a fast one.
        device: where it runs while it is held; by default where it is.

    Raises:
        BackboneError: the model's family, number format or tokenizer cannot be used; or it lies on several devices, and
            another is asked for.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        pooling: Pooling = "mean",
        prefix: str = "",
        device: torch.device | None = None,
    ) -> None:
        base = getattr(model, "base_model", model)
        family = base.config.model_type
        check_family(family)
        name = str(getattr(base.config, "_name_or_path", "") or family)
        if FAMILIES[family].kind == "encoder-decoder":
            base = base.get_encoder()
        if base.dtype != torch.float32:
            raise BackboneError(
                f'"{name}" is in {str(base.dtype).removeprefix("torch.")}, and backbones are in float32',
                fix="load it with dtype=torch.float32",
            )
        if not getattr(tokenizer, "is_fast", False):
            raise BackboneError("its tokenizer has no fast version", where=name, fix="load one with use_fast=True")
        devices = {tensor.device for tensor in base.state_dict().values()}
        if device is not None and len(devices) > 1:
            raise BackboneError(
                f'"{name}" lies on several devices ({", ".join(sorted(map(str, devices)))})',
                fix="leave device= out, or load it on one",
            )
        self._base = base
        self._device = None if device is None else base.device
        self._gradients = [(parameter, parameter.requires_grad) for parameter in base.parameters()]
        self._modes = [(module, module.training) for module in base.modules()]
        self._use_cache = getattr(base.config, "use_cache", None)
        self._attention = base.config._attn_implementation
        # A pooler is no part of what components are trained on.
        self._pooler: nn.Module | None = getattr(base, "pooler", None)
        if self._pooler is not None:
            base.pooler = None
        if self._use_cache is not None:
            base.config.use_cache = False
        if (wanted := FAMILIES[family].attention) and wanted != self._attention:
            base.set_attn_implementation(wanted)
        base.requires_grad_(False)
        base.eval()
        if device is not None:
            base.to(device)
        self.backbone = Backbone(
            name=name, identity=name, model=base, tokenizer=tokenizer, pooling=pooling, prefix=prefix
        )

    def give_back(self) -> None:
        """Leave the model as it was, and where it was."""
        if self._device is not None:
            self._base.to(self._device)
        if self._pooler is not None:
            self._base.pooler = self._pooler
        if self._use_cache is not None:
            self._base.config.use_cache = self._use_cache
        if self._base.config._attn_implementation != self._attention:
            self._base.set_attn_implementation(self._attention)
        for parameter, requires in self._gradients:
            parameter.requires_grad_(requires)
        for module, training in self._modes:
            module.training = training

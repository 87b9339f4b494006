"""Frozen weights held in less memory than what is computed with them."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lect.backbones.backbone import Backbone
from lect.errors import BackboneError
from lect.literals import Weights


def hold_weights(backbone: Backbone, weights: Weights, device: torch.device) -> None:
    """Hold the backbone's projections (and, in bfloat16, its embeddings) in this type from now on, in place.

    Its fingerprint stays that of the weights it came with: components fit it as before. Norms, biases, and everything
    that is computed, stay in the run's precision. ``int8`` and ``int4`` (NF4, Dettmers et al. 2023, section 3) are
    those of `bitsandbytes`.

    Raises:
        BackboneError: int8 or int4 without a GPU or without the library.
    """
    if weights == "float32":
        return
    if weights in ("int8", "int4"):
        _check_quantised(weights, device)
    # Read before anything is changed; it is remembered.
    _ = backbone.fingerprint
    for half in (backbone.model, backbone.decoder):
        for path, module in list(half.named_modules()) if half is not None else ():
            if (held := _held(module, weights)) is not None:
                parent, _, name = path.rpartition(".")
                setattr(half.get_submodule(parent), name, held)


class HeldLinear(nn.Linear):
    """A frozen projection whose weight is held in bfloat16 and computed with in the type of its input."""

    def forward(self, inputs: Tensor) -> Tensor:
        """*Shape:* ``(..., in)`` to ``(..., out)``."""
        if torch.is_autocast_enabled(inputs.device.type):
            inputs = inputs.to(torch.get_autocast_dtype(inputs.device.type))
        output: Tensor = _HeldProduct.apply(inputs, self.weight)  # type: ignore[no-untyped-call]
        return output if self.bias is None else output + self.bias.to(output.dtype)


class HeldEmbedding(nn.Embedding):
    """A frozen table held in bfloat16; what it gives is float32."""

    def forward(self, ids: Tensor) -> Tensor:
        """*Shape:* ``(...)`` of ids to ``(..., width)``."""
        return functional.embedding(ids, self.weight, self.padding_idx).float()


class _HeldProduct(torch.autograd.Function):
    """A product with a held weight. Both ways it is widened anew, so that no wide copy waits for the way back."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return inputs @ weight.to(inputs.dtype).T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (weight,) = ctx.saved_tensors
        return gradients[0] @ weight.to(gradients[0].dtype), None


def _held(module: nn.Module, weights: Weights) -> nn.Module | None:
    """What takes a module's place, None where it stays."""
    if type(module) is nn.Linear:
        return _held_linear(module) if weights == "bfloat16" else _quantised(module, weights)
    if type(module) is nn.Embedding and weights == "bfloat16":
        return _held_embedding(module)
    return None


def _held_linear(module: nn.Linear) -> HeldLinear:
    held = HeldLinear(module.in_features, module.out_features, module.bias is not None, device="meta")
    held.weight = nn.Parameter(module.weight.detach().bfloat16(), requires_grad=False)
    held.bias = module.bias
    return held.train(module.training)


def _held_embedding(module: nn.Embedding) -> HeldEmbedding:
    held = HeldEmbedding(module.num_embeddings, module.embedding_dim, module.padding_idx, device="meta")
    held.weight = nn.Parameter(module.weight.detach().bfloat16(), requires_grad=False)
    return held.train(module.training)


def _quantised(module: nn.Linear, weights: Weights) -> nn.Module:
    from bitsandbytes import nn as quantised

    weight, size = module.weight.detach().cpu(), (module.in_features, module.out_features)
    made: nn.Module
    if weights == "int8":
        made = quantised.Linear8bitLt(*size, bias=module.bias is not None, has_fp16_weights=False)
        made.weight = quantised.Int8Params(weight, requires_grad=False, has_fp16_weights=False)
    else:
        made = quantised.Linear4bit(*size, bias=module.bias is not None, quant_type="nf4")
        made.weight = quantised.Params4bit(weight, requires_grad=False, quant_type="nf4")
    made.bias = module.bias
    # It is quantised when it is moved to the GPU.
    return made.train(module.training)


def _check_quantised(weights: Weights, device: torch.device) -> None:
    if device.type != "cuda":
        raise BackboneError(
            f"weights in {weights} need a CUDA GPU", where="backbone.weights", fix='use "bfloat16" or "float32"'
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise BackboneError(
            f"weights in {weights} need the library bitsandbytes",
            where="backbone.weights",
            fix='pip install bitsandbytes, or use "bfloat16"',
        )

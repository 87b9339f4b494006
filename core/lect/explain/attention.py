"""Where a backbone looks: attention maps, and their rollout to the input.

Abnar, S. & Zuidema, W. (2020). Quantifying Attention Flow in Transformers. ACL. Section 3: with the residual
connection as half of every layer, the product of all layers' maps says which input a state is made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lect.backbones.quiet import quiet_transformers
from lect.composition.model import RoutedModel
from lect.composition.rows import EncodedRows
from lect.errors import BackboneError


@torch.no_grad()
def attention_maps(model: RoutedModel, rows: EncodedRows) -> Tensor:
    """Every layer's maps of one text, heads averaged; each state's attention sums to 1.

    Returns:
        *Shape:* ``(layers, length, length)``; row: the state that looks, column: what it looks at.

    Raises:
        BackboneError: the backbone gives none.
    """
    kept: list[Any] = []

    def ask(_module: Any, positional: Any, named: dict[str, Any]) -> Any:
        return positional, {**named, "output_attentions": True, "return_dict": True}

    def keep(_module: Any, _positional: Any, output: Any) -> None:
        kept.append(getattr(output, "attentions", None))

    with _eager(model.backbone.model):
        handles = [
            model.encoder.register_forward_pre_hook(ask, with_kwargs=True),
            model.encoder.register_forward_hook(keep),
        ]
        try:
            model(rows)
        finally:
            for handle in handles:
                handle.remove()
    layers = kept[0] if kept else None
    if not layers or any(layer is None for layer in layers):
        raise BackboneError(f'"{model.backbone.name}" gives no attention maps', fix="leave attention out")
    return torch.stack([layer[0].float().mean(0) for layer in layers]).cpu()


def rollout(maps: Tensor) -> Tensor:
    """How much of each input is in each state of the last layer.

    Args:
        maps: *Shape:* ``(layers, length, length)``.

    Returns:
        *Shape:* ``(length, length)``; each row sums to 1.
    """
    length = maps.shape[-1]
    flow = torch.eye(length)
    for layer in maps:
        with_residual = 0.5 * layer + 0.5 * torch.eye(length)
        flow = with_residual / with_residual.sum(-1, keepdim=True) @ flow
    return flow


def pooled(model: RoutedModel, flow: Tensor, attention_mask: Tensor) -> Tensor:
    """How much of each input is in the sentence vector. *Shape:* ``(length,)``."""
    result: Tensor = model.pool(flow.unsqueeze(0), attention_mask.cpu())[0]
    return result


@contextmanager
def _eager(backbone: Any) -> Iterator[None]:
    """Attention that shows its maps; the fused kinds never make them."""
    before = backbone.config._attn_implementation
    # Families that cannot change it say so, and give their maps all the same.
    with quiet_transformers():
        backbone.set_attn_implementation("eager")
        try:
            yield
        finally:
            backbone.set_attn_implementation(before)

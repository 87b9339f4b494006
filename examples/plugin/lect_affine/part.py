"""The scale and shift themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lect import BaseLayer, Part, SiteContext

if TYPE_CHECKING:
    from lect import Backbone
    from lect_affine.plugin import AffineConfig


class AffinePart(Part):
    """One scale and one shift a feature and layer; the identity at the start."""

    def __init__(self, config: AffineConfig, backbone: Backbone) -> None:
        super().__init__()
        layers = backbone.anatomy.layers
        first = len(layers) - min(config.last_layers or len(layers), len(layers))
        self._places = {layer.feed_forward.output: index for index, layer in enumerate(layers[first:])}
        self.scale = nn.Parameter(torch.ones(len(self._places), backbone.hidden_size))
        self.shift = nn.Parameter(torch.zeros(len(self._places), backbone.hidden_size))

    def sites(self) -> Iterable[str]:
        """The projections that end the feed-forward blocks."""
        return self._places

    def at(self, site: str, base_layer: BaseLayer, inputs: Tensor, context: SiteContext) -> Tensor:
        """What the block gives, scaled and shifted."""
        layer = self._places[site]
        return base_layer(inputs) * self.scale[layer] + self.shift[layer]

    def origin(self) -> Mapping[str, Tensor]:
        """Arithmetic on several of these starts from a scale of one."""
        return {"scale": torch.ones_like(self.scale)}

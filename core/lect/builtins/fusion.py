"""AdapterFusion: attention over what several frozen components make of the same output (Pfeiffer et al. 2021, 3.2).

At each site where the members act, with ``h`` the output below and ``z_n`` what member n makes of it::

    a = softmax_n((Q h) · (K z_n))          one weight a member, position by position
    output = h + Σ_n a_n V (z_n - h)

As in the library `adapters`, V acts on what the members change and the residual passes by it; with V at its start, the
identity, this is the paper's ``Σ_n a_n V z_n``. K sees z_n or z_n - h: the difference is the same for every member, and
the softmax drops it. V is drawn to the identity by ``regularisation · Σ ||V - I||²``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lect.composition.mixed import acting_at, copied, through
from lect.errors import StackError
from lect.parts import BaseLayer, Part, SiteContext
from lect.specs import BuildContext

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.builtins.configs import FusionConfig


class FusionPart(Part):
    """One attention a site over frozen members, of which it saves nothing.

    Raises:
        StackError: the members do not act at the same sites.
    """

    def __init__(self, config: FusionConfig, context: BuildContext) -> None:
        super().__init__()
        self._regularisation = config.regularisation
        # In a plain list, so that they do not become submodules: what is saved is the attention alone.
        self._members = [tuple(context.members[name].parts.values()) for name in config.over]
        self._acting = acting_at(self._members)
        for site, acting in self._acting.items():
            if len(acting) < len(self._members):
                present = {index for index, _ in acting}
                absent = next(index for index in range(len(self._members)) if index not in present)
                there = config.over[min(present)]
                raise StackError(
                    f'"{there}" acts at {site} and "{config.over[absent]}" does not, and a fusion attends over all of '
                    "its members at each place",
                    fix="fuse components with the same configuration of places",
                )
        self.attention = nn.ModuleDict(
            {_name(site): SiteAttention(_width(context.backbone, site)) for site in self._acting}
        )

    def sites(self) -> Iterable[str]:
        return tuple(self._acting)

    def at(self, site: str, base_layer: BaseLayer, inputs: Tensor, context: SiteContext) -> Tensor:
        """The output below, and the attended sum of the members' changes to it."""
        below = base_layer(inputs)
        own = copied(below, base_layer, inputs)
        changed = [through(parts, site, own, inputs, context) for _, parts in self._acting[site]]
        output: Tensor = self.attention[_name(site)](below, torch.stack(changed, -2) - below.unsqueeze(-2))
        return output

    def penalty(self) -> Tensor | None:
        """How far the value matrices are from the identity, squared and weighted."""
        if not self._regularisation:
            return None
        distances = [
            (value - torch.eye(len(value), device=value.device)).pow(2).sum()
            for name, value in self.attention.named_parameters()
            if name.endswith("value.weight")
        ]
        return self._regularisation * torch.stack(distances).sum()


class SiteAttention(nn.Module):
    """Query, key and value of one site; starts as nearly the mean of the changes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value = nn.Linear(width, width, bias=False)
        for linear in (self.query, self.key):
            nn.init.normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)
        nn.init.eye_(self.value.weight)

    def forward(self, below: Tensor, changes: Tensor) -> Tensor:
        """The new output, *Shape:* ``(rows, length, width)``.

        Args:
            below: *Shape:* ``(rows, length, width)``.
            changes: *Shape:* ``(rows, length, members, width)``.
        """
        scores = (self.key(changes) * self.query(below).unsqueeze(-2)).sum(-1)
        attended = (scores.softmax(-1).unsqueeze(-1) * changes).sum(-2)
        output: Tensor = below + self.value(attended)
        return output


def _width(backbone: Backbone, site: str) -> int:
    """The features of what a module gives."""
    module = backbone.module(site)
    for name in ("out_features", "embedding_dim", "nf"):
        if isinstance(width := getattr(module, name, None), int):
            return width
    return backbone.hidden_size


def _name(site: str) -> str:
    return site.replace(".", "/")

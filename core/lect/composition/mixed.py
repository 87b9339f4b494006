"""The outputs of several components side by side, as one part: what ``avg``, ``mix`` and weights in a stack mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn

from lect.composition.component import Component
from lect.parts import BaseLayer, Part, SiteContext


class MixedPart(Part):
    """Several components, each scaled, from the same output below.

    At a site, with ``h`` the output below and ``c_i(h)`` what component i makes of it (``h`` where it does not act
    there): ``h + Σ w_i (c_i(h) - h)``. The components' modules are shared with wherever else they are attached.

    Args:
        coefficients: the ``w_i``, one a component.
    """

    def __init__(self, components: Sequence[Component], coefficients: Sequence[float]) -> None:
        super().__init__()
        self._chains = [tuple(component.parts.values()) for component in components]
        self._coefficients = tuple(coefficients)
        self._acting = acting_at(self._chains)
        self.members = nn.ModuleList([part for chain in self._chains for part in chain])

    def sites(self) -> Iterable[str]:
        return tuple(self._acting)

    def at(self, site: str, base_layer: BaseLayer, inputs: Tensor, context: SiteContext) -> Tensor:
        """The output below, and the weighted sum of the components' changes to it."""
        below = base_layer(inputs)
        own = copied(below, base_layer, inputs)
        output = below
        for index, parts in self._acting[site]:
            changed = through(parts, site, own, inputs, context)
            output = output + self._coefficients[index] * (changed - below)
        return output

    def fold(self, site: str, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """The module's own parameters and the weighted sum of the changes to them, if every component folds."""
        folded = dict(parameters)
        for index, parts in self._acting[site]:
            changed: Mapping[str, Tensor] | None = parameters
            for part in parts:
                changed = part.fold(site, changed) if changed is not None else None
            if changed is None or changed.keys() != parameters.keys():
                return None
            for name, tensor in parameters.items():
                folded[name] = folded[name] + self._coefficients[index] * (changed[name] - tensor)
        return folded


def acting_at(chains: Sequence[Sequence[Part]]) -> dict[str, list[tuple[int, tuple[Part, ...]]]]:
    """Of each site, the chains of parts that act there, by their index, and their parts that do."""
    found: dict[str, list[tuple[int, tuple[Part, ...]]]] = {}
    for index, chain in enumerate(chains):
        sites = [frozenset(part.sites()) for part in chain]
        for site in dict.fromkeys(site for part in chain for site in part.sites()):
            parts = tuple(part for part, own in zip(chain, sites, strict=True) if site in own)
            found.setdefault(site, []).append((index, parts))
    return found


def copied(below: Tensor, base_layer: BaseLayer, inputs: Tensor) -> BaseLayer:
    """A `BaseLayer` that gives each caller a copy of what is computed already.

    Several parts stand on it side by side, and some change it in place (AdaLoRA of `peft` adds to it so).
    """
    return lambda given: below.clone() if given is inputs else base_layer(given)


def through(parts: Sequence[Part], site: str, base_layer: BaseLayer, inputs: Tensor, context: SiteContext) -> Tensor:
    """What parts, each standing on the one before, make of the output below.

    Args:
        inputs: *Shape:* ``(rows, length, features)``, or ``(rows, length)`` of token ids at the word embedding.
    """
    *before, last = parts
    if not before:
        return last.at(site, base_layer, inputs, context)
    own, computed = inputs, list[Tensor]()

    def beneath(inputs: Tensor) -> Tensor:
        if inputs is not own:
            return through(before, site, base_layer, inputs, context)
        if not computed:
            computed.append(through(before, site, base_layer, own, context))
        return computed[0]

    return last.at(site, beneath, inputs, context)

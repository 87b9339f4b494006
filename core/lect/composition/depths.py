"""At which depth of a backbone's layers parts begin to act."""

from __future__ import annotations

from collections.abc import Iterable

from lect.backbones.anatomy import Anatomy
from lect.composition.component import Component
from lect.parts import Part

Stack = tuple[str, ...]


class Depths:
    """Where the parts of attached components begin to act.

    Attributes:
        layers: between which a pass may begin or end; 0 for families where it may not.
    """

    def __init__(self, anatomy: Anatomy) -> None:
        self.layers = len(anatomy.separable)
        self._anatomy = anatomy
        self._lowest: dict[str, tuple[tuple[Part, int], ...]] = {}

    def add(self, component: Component) -> None:
        """Take note of a component: of each part, with the layers below all that it acts on."""
        depth_of = self._anatomy.depth_of
        self._lowest[component.key] = tuple(
            (part, min(map(depth_of, part.sites()), default=0)) for part in component.parts.values()
        )

    def remove(self, key: str) -> None:
        """Forget a component."""
        del self._lowest[key]

    def beginnings(self, stacks: Iterable[Stack]) -> list[int]:
        """The depths, in layers, at which parts of these stacks begin to act, and the last; none in some families."""
        if not self.layers:
            return []
        acting = {lowest for stack in set(stacks) for key in stack for _, lowest in self._lowest.get(key, ())}
        return sorted({*acting, self.layers} - {0})

    def below(self, stack: Stack, depth: int) -> tuple[Part, ...]:
        """The parts of a stack that act below so many layers, on which hidden states at that depth depend."""
        return tuple(part for key in stack for part, lowest in self._lowest.get(key, ()) if lowest < depth)

    def first(self, key: str) -> int:
        """The layers below all that a component acts on; all of them where it has a head alone."""
        return min((lowest for _, lowest in self._lowest.get(key, ())), default=self.layers)

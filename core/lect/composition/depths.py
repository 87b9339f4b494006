"""At which depth of a backbone's layers parts begin to act."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lect.backbones.anatomy import Anatomy
from lect.composition.component import Component
from lect.parts import Part

Stack = tuple[str, ...]


@dataclass(frozen=True)
class Depths:
    """Where the parts of attached components begin to act.

    Args:
        layers: between which a pass may begin or end; 0 for families where it may not.
        lowest: of each component, each part with the layers below all that it acts on.
    """

    layers: int = 0
    lowest: Mapping[str, tuple[tuple[Part, int], ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, anatomy: Anatomy, components: Mapping[str, Component]) -> Depths:
        """Those of these components on a backbone of this anatomy."""
        lowest = {
            key: tuple((part, min(map(anatomy.depth_of, part.sites()), default=0)) for part in component.parts.values())
            for key, component in components.items()
        }
        return cls(len(anatomy.separable), lowest)

    def beginnings(self, stacks: Iterable[Stack]) -> list[int]:
        """The depths, in layers, at which parts of these stacks begin to act, and the last; none in some families."""
        if not self.layers:
            return []
        acting = {lowest for stack in set(stacks) for key in stack for _, lowest in self.lowest.get(key, ())}
        return sorted({*acting, self.layers} - {0})

    def below(self, stack: Stack, depth: int) -> tuple[Part, ...]:
        """The parts of a stack that act below so many layers, on which hidden states at that depth depend."""
        return tuple(part for key in stack for part, lowest in self.lowest.get(key, ()) if lowest < depth)

    def first(self, key: str) -> int:
        """The layers below all that a component acts on; all of them where it has a head alone."""
        return min((lowest for _, lowest in self.lowest.get(key, ())), default=self.layers)

"""Which parts of the attached components act at which of a backbone's modules."""

from __future__ import annotations

from collections import Counter

from lect.backbones.anatomy import Anatomy
from lect.composition.component import Component
from lect.parts import Part, in_order


class ActingParts:
    """The parts of components, by the sites where they act."""

    def __init__(self, anatomy: Anatomy) -> None:
        self._word_embedding = anatomy.word_embedding
        self._parts: dict[str, tuple[tuple[Part, frozenset[str]], ...]] = {}
        self._uses: Counter[str] = Counter()
        self._alike: dict[str, int] = {}
        self._numbers: dict[tuple[object, ...], int] = {}

    @property
    def sites(self) -> set[str]:
        """Where any part acts."""
        return {site for site, count in self._uses.items() if count}

    def add(self, component: Component) -> None:
        """Take note of a component's parts."""
        self._parts[component.key] = tuple((part, frozenset(part.sites())) for part in component.parts.values())
        self._uses.update(site for _, sites in self._parts[component.key] for site in sites)
        self._alike, self._numbers = {}, {}

    def remove(self, key: str) -> tuple[Part, ...]:
        """Forget a component, and return its parts."""
        removed = self._parts.pop(key)
        self._uses.subtract(site for _, sites in removed for site in sites)
        self._alike, self._numbers = {}, {}
        return tuple(part for part, _ in removed)

    def of(self, stack: tuple[str, ...]) -> list[Part]:
        """All parts of a stack, in the order of its components; none of what is not attached."""
        return [part for key in stack for part, _ in self._parts.get(key, ())]

    def at(self, path: str, stack: tuple[str, ...]) -> tuple[Part, ...]:
        """The parts of a stack that act at a site, in the order in which they are applied there."""
        parts = [part for key in stack for part, sites in self._parts[key] if path in sites]
        if path == self._word_embedding:
            # Where it is also the last module before the layers: vectors are looked up before they are changed.
            parts.sort(key=lambda part: not part.reads_input(path))
        return tuple(in_order(parts))

    def alike(self, path: str) -> int:
        """A number that is the same for sites where the same parts act in the same order."""
        if path not in self._alike:
            acting = tuple(
                (key, number)
                for key, parts in self._parts.items()
                for number, (_, sites) in enumerate(parts)
                if path in sites
            )
            # At the word embedding parts are applied in another order.
            place = (acting, path == self._word_embedding)
            self._alike[path] = self._numbers.setdefault(place, len(self._numbers))
        return self._alike[path]

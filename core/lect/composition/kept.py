"""Hidden states of texts at some depth, kept from one batch to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from lect.parts import Part

Stacks = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class StateKey:
    """What hidden states at a depth hang on, beside the backbone.

    Args:
        tokens: of the text, as bytes.
        parts: those of the row's stack that act below.
    """

    tokens: bytes
    parts: tuple[Part, ...]


class KeptStates(Protocol):
    """Hidden states that were computed before, at the depths that it chooses."""

    def depth(self, depths: Sequence[int]) -> int:
        """The depth at which states are kept, of a batch whose stacks begin to act at these; 0 to keep none."""
        ...

    def get(self, key: StateKey) -> Tensor | None:
        """The states of a text, *Shape:* ``(tokens, hidden)``; None where they are not there."""
        ...

    def put(self, key: StateKey, states: Tensor) -> None:
        """Keep a text's states, if there is room."""
        ...


class MemoryStates:
    """Hidden states in memory, for several stacks that are asked for the same texts one after another.

    They are kept at the highest depth in the middle of the layers at which parts of a stack begin to act: below it, a
    task in the upper layers is like every other. What is there stays, so that a pass over more texts than there is
    room for finds its first ones again in the next pass.

    Args:
        most: bytes that may be kept.
    """

    def __init__(self, most: int = 2**29) -> None:
        self._most, self._bytes = most, 0
        self._states: dict[StateKey, Tensor] = {}

    def depth(self, depths: Sequence[int]) -> int:
        """The highest of them but for the last layer's; that one where there is no other."""
        return depths[-2] if len(depths) > 1 else depths[0] if depths else 0

    def get(self, key: StateKey) -> Tensor | None:
        """The states of a text; None where they are not there."""
        return self._states.get(key)

    def put(self, key: StateKey, states: Tensor) -> None:
        """Keep a text's states, if there is room."""
        size = states.numel() * states.element_size()
        if self._bytes + size <= self._most:
            self._states[key] = states.clone()
            self._bytes += size

    def clear(self) -> None:
        """Forget all of them."""
        self._states, self._bytes = {}, 0

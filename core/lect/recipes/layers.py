"""The layers that a part acts in, as recipes say them: ``"last 3"``, ``"upper half"``, ``[10, 11, 12]``.

Recipes count layers from 1, as one reads "layers 10 to 12 of 12"; the configurations of methods count from 0, as the
libraries do that they are from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator

from lect.errors import RecipeError

_PARTS = {"half": 2, "third": 3, "quarter": 4}
_COUNTED = re.compile(r"(?:the )?(first|lower|last|upper) (?:(\d{1,4})|(half|third|quarter))(?: of the)?(?: layers?)?")
_RANGE = re.compile(r"(?:layers? )?(\d{1,4})(?: ?- ?| to )(\d{1,4})")
_UNDERSTOOD = '"all", "last 3", "first 4", "upper half" (third, quarter), "10 to 12" or, counted from 1, [10, 11, 12]'


def _understood(value: Any) -> Any:
    """The value, where some backbone may have such layers; lists as tuples. Raises `ValueError` otherwise."""
    if isinstance(value, str):
        if not _numbers(value, 10_000):
            raise ValueError(f"should be {_UNDERSTOOD}")
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f'should be "last {value}", "first {value}", or [{value}] for this layer alone')
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"should be {_UNDERSTOOD}")
    if any(isinstance(number, bool) or not isinstance(number, int) or number < 1 for number in value):
        raise ValueError("should be numbers of layers, counted from 1")
    if len(set(value)) < len(value):
        raise ValueError("should have each layer once")
    return tuple(value)


Layers = Annotated[str | tuple[int, ...], BeforeValidator(_understood)]
"""Layers in words, or their numbers from 1."""


def chosen_layers(layers: str | Sequence[int], count: int, backbone: str, where: str) -> tuple[int, ...]:
    """The layers that are meant, from 0, in their order.

    Args:
        layers: what `Layers` lets pass.
        count: how many the backbone has.
        backbone: its name, for messages.
        where: the field, for messages.

    Raises:
        RecipeError: the backbone has no such layers.
    """
    numbers = _numbers(layers, count) if isinstance(layers, str) else sorted(layers)
    beyond = [number for number in numbers if not 1 <= number <= count]
    if beyond and isinstance(layers, str):
        raise RecipeError(f'"{backbone}" has {count} layers, too few for "{layers}"', where=where)
    if beyond:
        raise RecipeError(
            f'"{backbone}" has no layer {beyond[-1]}', where=where, fix=f"its layers are 1 to {count}, counted from 1"
        )
    return tuple(number - 1 for number in numbers)


def _numbers(words: str, count: int) -> list[int]:
    """What the words mean in so many layers, from 1; none where they mean nothing."""
    text = " ".join(words.lower().split())
    if text == "all":
        return list(range(1, count + 1))
    if found := _RANGE.fullmatch(text):
        first, last = map(int, found.groups())
        return list(range(first, last + 1)) if first else []
    found = _COUNTED.fullmatch(text)
    if not found:
        return []
    end, number, part = found.groups()
    size = int(number) if number else max(1, round(count / _PARTS[part]))
    return list(range(1, size + 1)) if end in ("first", "lower") else list(range(count - size + 1, count + 1))

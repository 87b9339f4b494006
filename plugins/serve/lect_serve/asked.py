"""What a front has to know of a request before a replica reads it: the stack it names, and how many texts it holds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_OF_EXPLAIN = 16
_FREE = frozenset({"/tokenize"})


@dataclass(frozen=True)
class Asked:
    """A request, as far as a front reads it.

    Args:
        stack: the first one that is named; None where that is left to whoever answers.
        texts: as many as are computed for it.
    """

    stack: str | None = None
    texts: int = 0


def asked_of(path: str, stack: str | None, body: bytes) -> Asked:
    """What a request asks for; of one that cannot be read nothing: a replica refuses it.

    Args:
        stack: that its address names.
    """
    try:
        value = json.loads(body) if body else None
    except (ValueError, RecursionError):
        return Asked(stack)
    if not isinstance(value, dict):
        return Asked(stack)
    return Asked(_keyed(stack or _stack(value)), 0 if path in _FREE else _texts(path, value))


def _stack(value: dict[str, Any]) -> str | None:
    """The first stack of a body."""
    named = [value.get("stack"), value.get("stacks"), value.get("model"), value.get("parameters"), value.get("inputs")]
    for each in named:
        first = each[0] if isinstance(each, list) and each else each
        found = first.get("stack") if isinstance(first, dict) else first
        # The texts of `inputs` are none.
        if isinstance(found, str) and found and (each is not named[-1] or isinstance(first, dict)):
            return found
    return None


def _keyed(stack: str | None) -> str | None:
    """A stack that says what will be loaded; with `auto` the text does."""
    return None if stack is None or "auto" in stack else stack


def _texts(path: str, value: dict[str, Any]) -> int:
    if path == "/v1/explain":
        return _OF_EXPLAIN
    inputs = value.get("inputs", value.get("input", value.get("query")))
    if inputs is None:
        return 0
    if isinstance(inputs, dict):
        sentences = inputs.get("sentences")
        return 1 + (len(sentences) if isinstance(sentences, list) else 0)
    count = len(inputs) if isinstance(inputs, list) else 1
    if path == "/predict" and isinstance(inputs, list) and inputs and isinstance(inputs[0], str):
        count = 1
    texts, stacks = value.get("texts"), value.get("stacks")
    if isinstance(texts, list):
        count = len(texts)
    return count * max(1, len(stacks) if isinstance(stacks, list) else 1)

"""Kinds of parts, and in which order those of a batch are applied: its slots."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from lect.backbones.anatomy import Anatomy
from lect.parts import Part


@dataclass(frozen=True)
class Kind:
    """What is equal for parts that differ in the values of their tensors alone.

    Args:
        signature: as the parts give it.
        sites: where they act.
        tensors: name, shape and type of every parameter and buffer.
        device: where these are.
    """

    part: type[Part]
    signature: Hashable
    sites: tuple[str, ...]
    tensors: tuple[tuple[str, torch.Size, torch.dtype], ...]
    device: torch.device

    @cached_property
    def dtype(self) -> torch.dtype:
        """The type of the tensors."""
        return self.tensors[0][2]


def kind_of(part: Part) -> Kind | str:
    """The kind of a part, or why it is of none."""
    signature, tensors = part.signature(), named_tensors(part)
    name = type(part).__name__
    if signature is None:
        return f"{name} does not say which others differ from it in their weights alone"
    if not tensors or len({(tensor.dtype, tensor.device) for tensor in tensors.values()}) > 1:
        return f"the tensors of {name} are of several types, or none"
    if any(tensor.is_inference() for tensor in tensors.values()):
        return f"the tensors of {name} were made in inference mode, and may change unseen"
    own = tuple((path, tensor.shape, tensor.dtype) for path, tensor in tensors.items())
    return Kind(type(part), signature, tuple(part.sites()), own, next(iter(tensors.values())).device)


def named_tensors(part: Part) -> dict[str, Tensor]:
    """Every parameter and buffer of a part, once."""
    return {**dict(part.named_parameters()), **dict(part.named_buffers())}


def layers_of(part: Part, anatomy: Anatomy) -> frozenset[int]:
    """The layers inside of which a part acts, counted from 0."""
    layer_of = {f"{path}.": layer for layer, path in enumerate(anatomy.separable)}
    return frozenset(layer for site in part.sites() for path, layer in layer_of.items() if site.startswith(path))


def common_order(stacks: Sequence[Sequence[int]]) -> tuple[tuple[int, int], ...] | None:
    """One order of kinds in which the parts of every stack can be applied, or None where there is none.

    Args:
        stacks: the kinds of each stack's parts, by number, in the order of the stack.

    Returns:
        Kinds by number, each with how many of the same stand before it; the same for the same set of stacks.
    """
    after: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for stack in stacks:
        places = [(kind, stack[:place].count(kind)) for place, kind in enumerate(stack)]
        for place in places:
            after.setdefault(place, set())
        for lower, upper in pairwise(places):
            after[lower].add(upper)
    order: list[tuple[int, int]] = []
    while after:
        free = after.keys() - {upper for uppers in after.values() for upper in uppers}
        if not free:
            return None
        order.append(min(free))
        del after[order[-1]]
    return tuple(order)

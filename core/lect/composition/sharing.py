"""Rows of one text share the layers below which their stacks do not differ: these are computed once.

A stack whose parts act in the upper layers alone, such as a task's, leaves the layers below as they are for every other
stack with the same language part. Within a batch that is found by comparing its rows; from one batch to the next it is
kept where the model was given something to keep it in (`RoutedModel.kept`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lect.composition.kept import StateKey
from lect.composition.model import RoutedModel
from lect.composition.rows import EncodedRows

_WORTH = 0.1
"""Less of all rows' layers than this is not worth two passes."""


def hidden_states(model: RoutedModel, rows: EncodedRows) -> Tensor:
    """What `model` gives for the rows, with what they share computed once, *Shape:* ``(rows, length, hidden)``."""
    shared, span = shared_layers(model, rows), None
    if shared is not None:
        lower = _lower_states(model, rows, shared)
        span = model.span(start=shared.depth, given=lower[torch.tensor(shared.of, device=lower.device)])
    states: Tensor = model(rows, span)
    return states


@dataclass(frozen=True)
class SharedLayers:
    """What rows of a batch have in common.

    Args:
        depth: so many of the lowest layers are computed once for each row in `first`.
        first: rows that stand for all others like them.
        keys: of these rows: what their states at that depth hang on.
        of: for each row, the place in `first` of the one that is like it.
    """

    depth: int
    first: tuple[int, ...]
    keys: tuple[StateKey, ...]
    of: tuple[int, ...]


def shared_layers(model: RoutedModel, rows: EncodedRows) -> SharedLayers | None:
    """The depth at which sharing saves most, or None where it would save too little to be worth a second pass.

    Where states are kept, the depth is the one at which they are.
    """
    texts = _texts(rows)
    if model.kept is None and len(set(texts)) == rows.size:
        return None
    stacks = rows.routes.stacks
    depths = [] if model.compiled else model.depths.beginnings(stacks)
    if model.kept is not None and (depth := model.kept.depth(depths)):
        return _at_depth(model, texts, stacks, depth)
    best: SharedLayers | None = None
    most = _WORTH * rows.size * (depths[-1] if depths else 0)
    for depth in depths:
        found = _at_depth(model, texts, stacks, depth)
        saved = depth * (rows.size - len(found.first))
        if saved > most:
            best, most = found, saved
    return best


def _at_depth(model: RoutedModel, texts: list[bytes], stacks: list[tuple[str, ...]], depth: int) -> SharedLayers:
    parts = {stack: model.depths.below(stack, depth) for stack in set(stacks)}
    places: dict[StateKey, int] = {}
    first: list[int] = []
    of: list[int] = []
    for row, (text, stack) in enumerate(zip(texts, stacks, strict=True)):
        place = places.setdefault(StateKey(text, parts[stack]), len(places))
        if place == len(first):
            first.append(row)
        of.append(place)
    return SharedLayers(depth, tuple(first), tuple(places), tuple(of))


def _lower_states(model: RoutedModel, rows: EncodedRows, shared: SharedLayers) -> Tensor:
    """The states at the shared depth of the rows that stand for others: computed, but for those that are kept."""
    kept = model.kept
    if kept is None:
        lower: Tensor = model(rows.chosen(shared.first), model.span(stop=shared.depth))
        return lower
    found = [kept.get(key) for key in shared.keys]
    missing = [place for place, states in enumerate(found) if states is None]
    chosen = rows.chosen(shared.first)
    masks = chosen.attention_mask.bool()
    if missing:
        with torch.no_grad():
            computed = model(chosen.chosen(missing), model.span(stop=shared.depth))
        for place, states in zip(missing, computed, strict=True):
            found[place] = own = states[masks[place]]
            kept.put(shared.keys[place], own)
    lower = masks.new_zeros((*masks.shape, model.backbone.hidden_size), dtype=_kind(found))
    for place, given in enumerate(found):
        assert given is not None
        lower[place, masks[place]] = given.to(lower)
    return lower


def _kind(found: list[Tensor | None]) -> torch.dtype:
    return next(states.dtype for states in found if states is not None)


def _texts(rows: EncodedRows) -> list[bytes]:
    """Each row's tokens without padding, as something to be compared."""
    ids, mask = rows.input_ids.cpu().numpy(), rows.attention_mask.cpu().numpy().astype(bool)
    texts = [own[shown].tobytes() for own, shown in zip(ids, mask, strict=True)]
    if rows.token_type_ids is None:
        return texts
    kinds = rows.token_type_ids.cpu().numpy()
    return [text + own[shown].tobytes() for text, own, shown in zip(texts, kinds, mask, strict=True)]

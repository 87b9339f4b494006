"""Components of a backbone on one that was trimmed from it: what stays, what is cut with it, what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lect.errors import ComponentError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lect.backbones import Backbone
    from lect.backbones.trimmed import ParentEntry
    from lect.storage.store import StoredComponent


def cut_tokenizer(stored: StoredComponent, backbone: Backbone, parent: ParentEntry) -> StoredComponent:
    """The component with its tokenizer, where it brings one, cut as the backbone's was: its own new tokens all stay.

    Raises:
        ComponentError: it holds whole numbers, which may be ids of tokens that are others now; or its tokenizer is not
            the parent's with new tokens behind.
    """
    for name, tensor in stored.tensors.items():
        if not tensor.is_floating_point():
            raise ComponentError(
                f'"{name}" holds whole numbers, which may be ids of tokens, and those are others in "{backbone.name}"',
                where=str(stored.folder),
                fix=f'use it on "{parent.name}", or train it again on this backbone',
            )
    if stored.tokenizer_json is None:
        return stored
    from tokenizers import Tokenizer

    from lect.backbones.vocabulary import trim_tokenizer

    own = Tokenizer.from_str(stored.tokenizer_json).get_vocab(with_added_tokens=True)
    kept = _kept(backbone, parent)
    theirs = backbone.tokenizer.backend_tokenizer.get_vocab(with_added_tokens=True)
    if any(own.get(token) != int(kept[index]) for token, index in theirs.items()):
        raise ComponentError(
            f'its tokenizer is not that of "{parent.name}" with new tokens behind, so that it cannot be trimmed',
            where=str(stored.folder),
            fix=f'use it on "{parent.name}"',
        )
    new = range(parent.tokens, max(own.values()) + 1)
    return replace(stored, tokenizer_json=trim_tokenizer(stored.tokenizer_json, [*kept.tolist(), *new]))


def cut_tensors(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], backbone: Backbone, parent: ParentEntry
) -> dict[str, Tensor]:
    """The tensors, and of those with a row or column for each token of the parent's those of the tokens that are kept.

    Args:
        wanted: tensors of the shapes that are due on the trimmed backbone.
    """
    kept = _kept(backbone, parent)
    return {
        name: _cut(tensor, tuple(wanted[name].shape), kept, parent) if name in wanted else tensor
        for name, tensor in tensors.items()
    }


def _cut(tensor: Tensor, shape: tuple[int, ...], kept: torch.Tensor, parent: ParentEntry) -> Tensor:
    differing = [place for place, (own, due) in enumerate(zip(tensor.shape, shape, strict=False)) if own != due]
    if tensor.dim() != len(shape) or len(differing) != 1:
        return tensor
    (place,) = differing
    if tensor.shape[place] not in (parent.rows, parent.tokens) or shape[place] != len(kept):
        return tensor
    return tensor.index_select(place, kept)


def _kept(backbone: Backbone, parent: ParentEntry) -> torch.Tensor:
    assert backbone.trimmed is not None
    return backbone.trimmed.ids(parent)

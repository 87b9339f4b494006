"""A stack as plain weights: what of it can be folded into the backbone, and what cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lect.composition.model import RoutedModel
from lect.errors import StackError
from lect.parts import in_order


@dataclass(frozen=True)
class Folded:
    """A stack, folded.

    Args:
        parameters: by path of a backbone's module, the parameters that take the place of its own.
        tokenizer_json: the tokenizer that the stack's rows are cut with, where it is not the backbone's.
    """

    parameters: Mapping[str, Mapping[str, Tensor]]
    tokenizer_json: str | None


@torch.no_grad()
def fold_stack(model: RoutedModel, stack: tuple[str, ...]) -> Folded:
    """The parameters with which the bare backbone would give what the stack gives; the model stays as it is.

    Args:
        stack: keys of attached components, in order.

    Raises:
        StackError: a part cannot be folded; all of them are named.
    """
    found: dict[str, Mapping[str, Tensor]] = {}
    refused: list[str] = []
    names = {part: f'"{method}" of "{key}"' for key in stack for method, part in model.components[key].parts.items()}
    for part in in_order(names):
        for site in part.sites():
            before = found.get(site) or dict(model.backbone.module(site).named_parameters(recurse=False))
            after = part.fold(site, before)
            if after is None or after.keys() != before.keys():
                refused.append(names[part])
                break
            found[site] = {name: tensor.detach().clone() for name, tensor in after.items()}
    if refused:
        raise StackError(
            f"no weights of the backbone could do what {' and '.join(refused)} does",
            where=f'stack "{" + ".join(stack)}"',
            fix="keep the stack as it is, or merge one without that",
        )
    tokenizer_json = next((json for key in stack if (json := model.components[key].tokenizer_json)), None)
    return Folded(found, tokenizer_json)

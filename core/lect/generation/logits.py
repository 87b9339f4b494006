"""The logits of tokens for rows of several stacks, each over its own tokens."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from lect.backbones import Backbone
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.errors import BackboneError
from lect.language_model.head import LanguageModelHead, known_tokens
from lect.language_model.scores import new_tokens
from lect.language_model.stored_head import stored_causal_head, stored_decoder_head


def generation_head(backbone: Backbone) -> LanguageModelHead:
    """What turns the last hidden states of what a backbone writes into logits of its tokens.

    Raises:
        BackboneError: it does not write, or its checkpoint lacks what that takes.
    """
    if backbone.kind == "encoder":
        raise BackboneError(f'"{backbone.name}" reads, and cannot write')
    return stored_causal_head(backbone) if backbone.kind == "decoder" else stored_decoder_head(backbone)


class RoutedLogits:
    """The logits of each row's own tokens: the backbone's, and those that its stack brings."""

    def __init__(self, model: RoutedModel, head: LanguageModelHead, routes: Routes) -> None:
        self._head, self._routes = head, routes
        self._new = [new_tokens(model, group.components) for group in routes.groups]
        widths = [known_tokens(head, new) + (0 if new is None else len(new.bias)) for new in self._new]
        self.width = max(widths)

    def __call__(self, hidden_states: Tensor) -> Tensor:
        """Logits; of tokens that a row's stack does not have, minus infinity.

        Args:
            hidden_states: *Shape:* ``(rows, places, hidden)``.

        Returns:
            *Shape:* ``(rows, places, width)``.
        """
        head = self._head
        states: Tensor = head.transform(hidden_states)
        if all(new is None for new in self._new):
            return head.logits(states, head.matrix, head.bias)
        output = states.new_full((*states.shape[:2], self.width), -torch.inf, dtype=torch.float32)
        for group, new in zip(self._routes.groups, self._new, strict=True):
            known = known_tokens(head, new)
            own = states[group.rows]
            found = head.logits(own, head.matrix[:known], head.bias[:known])
            if new is not None:
                found = torch.cat([found, head.logits(own, new.embeddings, new.bias)], dim=-1)
            output[group.rows] = pad(found, (0, self.width - found.shape[-1]), value=-torch.inf)
        return output

"""Texts as token ids in rows, each row with the stack that it goes through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lect.composition.routes import Routes


@dataclass(frozen=True)
class EncodedRows:
    """A batch of texts as the model takes it.

    Args:
        input_ids: *Shape:* ``(rows, length)``.
        attention_mask: *Shape:* ``(rows, length)``.
        token_type_ids: *Shape:* ``(rows, length)``; None for backbones that do not tell two texts apart.
        routes: each row's stack.
        truncated: the rows that were longer than the backbone can read.
    """

    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor | None
    routes: Routes
    truncated: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """The number of rows."""
        return int(self.input_ids.shape[0])

    @property
    def length(self) -> int:
        """The number of tokens of a row, padding included."""
        return int(self.input_ids.shape[1])

    @property
    def tokens(self) -> int:
        """The number of tokens that are not padding."""
        return int(self.attention_mask.sum())

    def to(self, device: torch.device | str) -> EncodedRows:
        """The same batch on a device."""
        kinds = None if self.token_type_ids is None else self.token_type_ids.to(device)
        ids, mask = self.input_ids.to(device), self.attention_mask.to(device)
        return EncodedRows(ids, mask, kinds, self.routes.to(device), self.truncated)

    def chosen(self, rows: Sequence[int]) -> EncodedRows:
        """Some of the rows, padded as they are."""
        places = torch.tensor(rows, device=self.input_ids.device)
        kinds = None if self.token_type_ids is None else self.token_type_ids[places]
        return EncodedRows(self.input_ids[places], self.attention_mask[places], kinds, self.routes.chosen(rows))

    def with_ids(self, input_ids: Tensor) -> EncodedRows:
        """The rows with other tokens in the same places."""
        return replace(self, input_ids=input_ids)

    def repeated(self, count: int) -> EncodedRows:
        """A single row so many times, all through its stack."""
        (group,) = self.routes.groups
        routes = Routes.uniform(group.components, count).to(self.input_ids.device)
        kinds = None if self.token_type_ids is None else self.token_type_ids.expand(count, -1)
        return EncodedRows(self.input_ids.expand(count, -1), self.attention_mask.expand(count, -1), kinds, routes)

"""Batches are filled up to one of a few sizes, so that few recordings serve all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from lect.backbones.backbone import Backbone
from lect.composition.routes import Group, Routes
from lect.composition.spans import Span


@dataclass(frozen=True)
class Batch:
    """What goes through a backbone.

    Args:
        named: its arguments. *Shape:* ``(rows, length)`` each.
        routes: each row's stack.
        span: the layers that are computed.
    """

    named: Mapping[str, Tensor]
    routes: Routes
    span: Span

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and tokens of each."""
        rows, length = self.named["input_ids"].shape
        return rows, length


def bucket(number: int) -> int:
    """The least of 1, 2, 3, 4, 6, 8, 12, 16, 24, … (powers of two, and three halves of them) that is not below."""
    power = 1 << max(0, number - 1).bit_length()
    return power // 4 * 3 if power >= 4 and number <= power // 4 * 3 else power


def filled_up(batch: Batch, backbone: Backbone) -> Batch:
    """The batch with as many rows and tokens as its bucket has; a backbone's longest input bounds the length.

    Tokens that are added are masked. Rows that are added are not, so that attention has something to attend to; they
    go through the first group's stack, so that a batch of one stack stays one.
    """
    rows, length = batch.shape
    more_rows = bucket(rows) - rows
    more_tokens = min(bucket(length), max(backbone.max_length, length)) - length
    if not more_rows and not more_tokens:
        return batch
    named = {
        name: pad(values, (0, more_tokens, 0, more_rows), value=backbone.padding_id if name == "input_ids" else 0)
        for name, values in batch.named.items()
    }
    named["attention_mask"][rows:] = 1
    given = batch.span.given
    if given is not None:
        given = pad(given, (0, 0, 0, more_tokens, 0, more_rows))
    first, *others = batch.routes.groups
    added = torch.arange(rows, rows + more_rows, device=first.rows.device)
    first = Group(first.components, torch.cat([first.rows, added]))
    return Batch(named, Routes((first, *others), rows + more_rows), replace(batch.span, given=given))

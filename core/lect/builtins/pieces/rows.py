"""Texts as piece ids, each cut once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lect.composition.encode import EncodedRows, RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.data.examples import Example


@dataclass(frozen=True)
class Row:
    """One text, or a sentence with its translation, cut into pieces.

    Args:
        ids: *Shape:* ``(length,)``.
        plain: *Shape:* ``(length,)``; True where a piece is of the text, neither special nor of the backbone's prefix.
        kinds: *Shape:* ``(length,)``; which of two texts a piece is of.
    """

    ids: NDArray[np.int32]
    plain: NDArray[np.bool_]
    kinds: NDArray[np.int8]


def places_of(marks: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows and columns of the marked places, row by row, on a device.

    Found where the marks are: to look for them on a GPU is to wait for it.

    Args:
        marks: *Shape:* ``(rows, length)``.
    """
    rows, columns = marks.nonzero(as_tuple=True)
    return rows.to(device), columns.to(device)


class Cutter:
    """Cuts examples by the tokenizer of a stack and remembers what it has cut.

    Args:
        with_translations: each row is a text and its translation.
    """

    def __init__(
        self, model: RoutedModel, encoder: RowEncoder, stack: tuple[str, ...], with_translations: bool = False
    ) -> None:
        self._encoder, self._stack, self._with_translations = encoder, stack, with_translations
        backbone = model.backbone
        self._special = np.array(sorted({*backbone.tokenizer.all_special_ids}), dtype=np.int32)
        self._prefix = len(backbone.prefix)
        self._padding, self._blank = backbone.padding_id, backbone.blank_id
        self._tells_texts_apart = int(getattr(backbone.model.config, "type_vocab_size", 0) or 0) > 1
        self._known: dict[tuple[str, str | None], Row] = {}

    def rows(self, examples: Sequence[Example]) -> list[Row]:
        """The rows of these examples, in their order."""
        keys = [self._key(example) for example in examples]
        new = list(dict.fromkeys(key for key in keys if key not in self._known))
        pairs = [second or "" for _, second in new] if self._with_translations else None
        if new:
            encodings = self._encoder.cut([text for text, _ in new], self._stack, pairs)
            self._known.update(zip(new, map(self._row, encodings), strict=True))
        return [self._known[key] for key in keys]

    def padded(self, rows: Sequence[Row]) -> tuple[EncodedRows, Tensor]:
        """The rows as a batch, and where their plain pieces are (*Shape:* ``(rows, length)``)."""
        length = max(len(row.ids) for row in rows)
        ids = np.full((len(rows), length), self._padding, dtype=np.int64)
        mask, kinds = np.zeros_like(ids), np.zeros_like(ids)
        plain = np.zeros(ids.shape, dtype=np.bool_)
        for index, row in enumerate(rows):
            count = len(row.ids)
            ids[index, :count], plain[index, :count] = row.ids, row.plain
            mask[index, :count], kinds[index, :count] = 1, row.kinds
        encoded = EncodedRows(
            torch.from_numpy(ids),
            torch.from_numpy(mask),
            torch.from_numpy(kinds) if self._tells_texts_apart else None,
            Routes.uniform(self._stack, len(rows)),
        )
        return encoded, torch.from_numpy(plain)

    def _key(self, example: Example) -> tuple[str, str | None]:
        return example.text, example.translation if self._with_translations else None

    def _row(self, encoding: Any) -> Row:
        if not encoding.ids:
            return Row(np.array([self._blank], np.int32), np.zeros(1, np.bool_), np.zeros(1, np.int8))
        ids = np.array(encoding.ids, dtype=np.int32)
        plain = ~np.isin(ids, self._special)
        if self._prefix:
            ends = np.array([end for _, end in encoding.offsets])
            second = np.array([sequence == 1 for sequence in encoding.sequence_ids])
            plain &= (ends > self._prefix) | second
        return Row(ids, plain, np.array(encoding.type_ids, dtype=np.int8))


def piece_counts(rows: Sequence[Row], size: int) -> Tensor:
    """How often each piece occurs among the plain ones, *Shape:* ``(size,)``."""
    counts = np.zeros(size, dtype=np.int64)
    for first in range(0, len(rows), 4096):
        ids = np.concatenate([row.ids[row.plain] for row in rows[first : first + 4096]])
        counts += np.bincount(ids, minlength=size)
    return torch.from_numpy(counts)

"""Texts as token ids, each cut once; of a long corpus a stretch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.data.examples import Example
from lect.data.stored import ROWS_IN_MEMORY, ByNumber, Texts


@dataclass(frozen=True)
class Row:
    """One text, or a sentence with its translation, cut into tokens.

    Args:
        ids: *Shape:* ``(length,)``.
        plain: *Shape:* ``(length,)``; True where a token is of the text, neither special nor of the backbone's prefix.
        kinds: *Shape:* ``(length,)``; which of two texts a token is of.
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


ROWS_AT_ONCE = 1024
"""Of a longer corpus so many rows are in memory at a time."""


class RowTokens:
    """Cuts examples by the tokenizer of a stack and remembers what it has cut, up to `ROWS_IN_MEMORY` rows.

    Others are looked up in what the encoder has kept, or cut again.

    Args:
        with_translations: each row is a text and its translation.
    """

    def __init__(
        self, model: RoutedModel, encoder: RowEncoder, stack: tuple[str, ...], with_translations: bool = False
    ) -> None:
        self._encoder, self._stack, self._with_translations = encoder, stack, with_translations
        backbone = model.backbone
        self._padding, self._blank = backbone.padding_id, backbone.blank_id
        self._tells_texts_apart = int(getattr(backbone.model.config, "type_vocab_size", 0) or 0) > 1
        self._known: dict[tuple[str, str | None], Row] = {}

    def keep(self, examples: Sequence[Example]) -> None:
        """Have the encoder keep pairs that are too many to remember; texts by themselves every run keeps anyway."""
        if self._with_translations and len(examples) > ROWS_IN_MEMORY:
            self._encoder.keep(Texts(examples, "text"), self._stack, Texts(examples, "translation"))

    def rows(self, examples: Sequence[Example]) -> Sequence[Row]:
        """The rows of these examples, in their order; of many, each is made as it is asked for."""
        return _Rows(self, examples) if len(examples) > ROWS_AT_ONCE else self.rows_now(examples)

    def rows_now(self, examples: Sequence[Example]) -> list[Row]:
        """The rows of these examples, in their order."""
        keys = [self._key(example) for example in examples]
        new = list(dict.fromkeys(key for key in keys if key not in self._known))
        if not new:
            return [self._known[key] for key in keys]
        pairs = [second or "" for _, second in new] if self._with_translations else None
        encodings = self._encoder.tokens([text for text, _ in new], self._stack, pairs)
        found = dict(zip(new, map(self._row, encodings), strict=True))
        rows = [found[key] if key in found else self._known[key] for key in keys]
        self._known.update(islice(found.items(), max(0, ROWS_IN_MEMORY - len(self._known))))
        return rows

    def padded(self, rows: Sequence[Row]) -> tuple[EncodedRows, Tensor]:
        """The rows as a batch, and where their plain tokens are (*Shape:* ``(rows, length)``)."""
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
        return Row(ids, self._encoder.plain(encoding), np.array(encoding.type_ids, dtype=np.int8))


class _Rows(ByNumber[Row]):
    """The rows of many examples, a stretch of them at a time where all are gone through."""

    def __init__(self, cutter: RowTokens, examples: Sequence[Example]) -> None:
        self._cutter, self._examples = cutter, examples

    def __len__(self) -> int:
        return len(self._examples)

    def __iter__(self) -> Iterator[Row]:
        examples = iter(self._examples)
        while some := list(islice(examples, ROWS_AT_ONCE)):
            yield from self._cutter.rows_now(some)

    def _at(self, row: int) -> Row:
        return self._cutter.rows_now([self._examples[row]])[0]


def token_counts(rows: Iterable[Row], size: int) -> Tensor:
    """How often each token occurs among the plain ones, *Shape:* ``(size,)``."""
    counts, stream = np.zeros(size, dtype=np.int64), iter(rows)
    while some := [row.ids[row.plain] for row in islice(stream, ROWS_AT_ONCE)]:
        counts += np.bincount(np.concatenate(some), minlength=size)
    return torch.from_numpy(counts)

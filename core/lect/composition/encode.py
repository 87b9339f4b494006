"""Texts to token ids, each row by the tokenizer of its own stack."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from lect.backbones.tokenizer import copy_backend
from lect.composition.model import RoutedModel
from lect.composition.panics import no_panic
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows
from lect.composition.stored_tokens import ROWS_IN_MEMORY, StoredEncoding, StoredTokens, store_tokens
from lect.composition.windows import cut_windows
from lect.errors import UserError
from lect.heads import Window


class RowEncoder:
    """Cuts texts into tokens, pads them into batches and says where each row goes.

    Args:
        max_length: the most tokens a row may have; what the backbone can read where None.
    """

    def __init__(self, model: RoutedModel, max_length: int | None = None) -> None:
        self.model = model
        self._backbone = model.backbone
        self._lock = threading.RLock()
        self.max_length = min(max_length or self._backbone.max_length, self._backbone.max_length)
        self._tokenizers: dict[str | None, Any] = {}
        self._stored: dict[str | None, list[StoredTokens]] = {}
        special = sorted({*self._backbone.tokenizer.all_special_ids})
        # By id; the one behind the last stands for all that come after.
        self._is_special = np.zeros(max(special, default=0) + 2, dtype=np.bool_)
        self._is_special[special] = True

    def tokens(self, texts: Sequence[str], stack: tuple[str, ...], pairs: Sequence[str] | None = None) -> list[Any]:
        """The `tokenizers.Encoding` of each text (or pair of texts), prefix and special tokens included.

        Of texts that were kept, as much of it as batches are made of (`StoredEncoding`).
        """
        for stored in self._stored.get(self._owner(stack), ()):
            if (found := stored.find(texts, pairs)) is not None:
                return list(found)
        return self.tokenize(texts, stack, pairs)

    def keep(self, texts: Sequence[str], stack: tuple[str, ...], pairs: Sequence[str] | None = None) -> StoredTokens:
        """Cut texts into tokens once, so that `tokens` looks them up from then on.

        Many are kept in the cache, for later runs too; where it cannot be written, in memory.
        """
        tokenizer = self._tokenizer(stack)
        special = np.flatnonzero(self._is_special).tolist()
        said = f"{tokenizer.to_str()}\n{special}\n{self._backbone.prefix}"

        def encode(texts: Sequence[str], pairs: Sequence[str] | None) -> list[StoredEncoding]:
            return [
                StoredEncoding(one.ids, one.type_ids, bool(one.overflowing), self.plain(one).tolist())
                for one in self.tokenize(texts, stack, pairs)
            ]

        try:
            stored = store_tokens(texts, pairs, said, encode, ROWS_IN_MEMORY)
        except UserError:
            stored = store_tokens(texts, pairs, said, encode, len(texts) + 1)
        self._stored.setdefault(self._owner(stack), []).append(stored)
        return stored

    def tokenize(self, texts: Sequence[str], stack: tuple[str, ...], pairs: Sequence[str] | None = None) -> list[Any]:
        """The `tokenizers.Encoding` of each text (or pair of texts), made anew, with where its tokens stand in it."""
        tokenizer = self._tokenizer(stack)
        prefixed = [f"{self._backbone.prefix}{text}" for text in texts]
        inputs = prefixed if pairs is None else list(zip(prefixed, pairs, strict=True))
        owner = self._owner(stack)
        # One thread at a time: for `windows` the tokenizer cuts otherwise.
        with self._lock, nullcontext() if owner is None else no_panic(owner):
            return list(tokenizer.encode_batch(inputs))

    def plain(self, encoding: Any) -> NDArray[np.bool_]:
        """Whether each token of what `tokens` or `tokenize` gave is of a text: neither special nor of the prefix.

        Returns:
            *Shape:* ``(length,)``.
        """
        if isinstance(encoding, StoredEncoding):
            return np.array(encoding.plain, dtype=np.bool_)
        plain = ~self._is_special.take(np.array(encoding.ids, dtype=np.int64), mode="clip")
        if prefix := len(self._backbone.prefix):
            # The prefix is what the first text begins with; special tokens may stand before it and behind the text.
            for place, (sequence, (_, end)) in enumerate(zip(encoding.sequence_ids, encoding.offsets, strict=True)):
                if sequence == 1 or (plain[place] and end > prefix):
                    break
                plain[place] = False
        return plain

    def windows(
        self, texts: Sequence[str], stack: tuple[str, ...], pairs: Sequence[str] | None = None, overlap: int = 0
    ) -> list[tuple[Window, ...]]:
        """Each text as one or several rows, so that nothing of it is lost; of pairs the second text is cut.

        Args:
            overlap: how many tokens two neighbouring rows share.
        """
        with self._lock:
            return self._windows(texts, stack, pairs, overlap)

    def _windows(
        self, texts: Sequence[str], stack: tuple[str, ...], pairs: Sequence[str] | None, overlap: int
    ) -> list[tuple[Window, ...]]:
        tokenizer = self._tokenizer(stack)
        try:
            return cut_windows(tokenizer, texts, pairs, self._backbone.prefix, self.max_length, overlap)
        finally:
            tokenizer.enable_truncation(self.max_length)

    def tokenizer(self, stack: tuple[str, ...]) -> Any:
        """A `tokenizers.Tokenizer` as it cuts the rows of a stack, for the caller to change."""
        copied = copy_backend(self._tokenizer(stack))
        copied.enable_truncation(self.max_length)
        return copied

    def forget(self, key: str) -> None:
        """Drop the tokenizer of a component that is attached no more, and the texts that were cut by it."""
        with self._lock:
            self._tokenizers.pop(key, None)
            self._stored.pop(key, None)

    def encode(
        self, texts: Sequence[str], stacks: Sequence[tuple[str, ...]], pairs: Sequence[str] | None = None
    ) -> EncodedRows:
        """A batch, each row cut by the tokenizer of its own stack.

        Args:
            stacks: each row's components, by key.
            pairs: second texts, for tasks over pairs.
        """
        return self.assemble(self.tokens_of(texts, stacks, pairs), Routes.of(stacks))

    def tokens_of(
        self, texts: Sequence[str], stacks: Sequence[tuple[str, ...]], pairs: Sequence[str] | None = None
    ) -> list[Any]:
        """What `tokens` gives of each text through its own stack."""
        encodings: list[Any] = [None] * len(texts)
        for group in Routes.of(stacks).groups:
            rows = group.rows.tolist()
            seconds = None if pairs is None else [pairs[row] for row in rows]
            for row, encoding in zip(
                rows, self.tokens([texts[row] for row in rows], group.components, seconds), strict=True
            ):
                encodings[row] = encoding
        return encodings

    def assemble(self, encodings: Sequence[Any], routes: Routes, length: int = 1) -> EncodedRows:
        """A padded batch from what `tokens` gave, at least so long."""
        # Decoders' tokenizers may add no special tokens: an empty text has none at all.
        length = max(length, *(len(encoding.ids) for encoding in encodings))
        ids = torch.full((len(encodings), length), self._backbone.padding_id, dtype=torch.long)
        mask = torch.zeros((len(encodings), length), dtype=torch.long)
        kinds = torch.zeros((len(encodings), length), dtype=torch.long) if self._tells_texts_apart() else None
        for row, encoding in enumerate(encodings):
            own = encoding.ids or [self._backbone.blank_id]
            count = len(own)
            ids[row, :count] = torch.tensor(own)
            mask[row, :count] = 1
            if kinds is not None and encoding.ids:
                kinds[row, :count] = torch.tensor(encoding.type_ids)
        truncated = tuple(row for row, encoding in enumerate(encodings) if encoding.overflowing)
        return EncodedRows(ids, mask, kinds, routes, truncated)

    def join(self, batches: Sequence[EncodedRows]) -> EncodedRows:
        """Several batches as one, one below the other, padded to the length of the longest."""
        if len(batches) == 1:
            return batches[0]
        length = max(batch.length for batch in batches)
        padding = self._backbone.padding_id
        offsets = accumulate((batch.size for batch in batches), initial=0)
        return EncodedRows(
            torch.cat([_widened(batch.input_ids, length, padding) for batch in batches]),
            torch.cat([_widened(batch.attention_mask, length, 0) for batch in batches]),
            torch.cat([_widened(_kinds(batch), length, 0) for batch in batches]) if self._tells_texts_apart() else None,
            Routes.joined([batch.routes for batch in batches]),
            tuple(offset + row for offset, batch in zip(offsets, batches, strict=False) for row in batch.truncated),
        )

    def _tells_texts_apart(self) -> bool:
        return int(getattr(self._backbone.model.config, "type_vocab_size", 0) or 0) > 1

    def _owner(self, stack: tuple[str, ...]) -> str | None:
        """Whose tokenizer cuts the stack's rows; None for the backbone's."""
        components = self.model.components
        return next((key for key in stack if components[key].tokenizer_json), None)

    def _tokenizer(self, stack: tuple[str, ...]) -> Any:
        from tokenizers import Tokenizer

        components, owner = self.model.components, self._owner(stack)
        if owner not in self._tokenizers:
            own = components[owner].tokenizer_json if owner else None
            tokenizer = Tokenizer.from_str(own) if own else copy_backend(self._backbone.tokenizer.backend_tokenizer)
            tokenizer.no_padding()
            tokenizer.enable_truncation(self.max_length)
            self._tokenizers[owner] = tokenizer
        return self._tokenizers[owner]


@dataclass(frozen=True)
class StackTokenizer:
    """How the tokenizer of one stack cuts texts into rows: what a head lays its examples out with."""

    encoder: RowEncoder
    stack: tuple[str, ...]

    def whole(self, texts: Sequence[str], pairs: Sequence[str | None] | None = None) -> list[Any]:
        """One row a text, or a pair where it has a second one; what is too long is cut.

        A row does not depend on whether others have a second text.
        """
        seconds = list(pairs) if pairs is not None else [None] * len(texts)
        rows: list[Any] = [None] * len(texts)
        for paired in (False, True):
            own = [index for index, second in enumerate(seconds) if bool(second) is paired]
            if not own:
                continue
            given = [seconds[index] or "" for index in own] if paired else None
            for index, row in zip(own, self.encoder.tokens([texts[i] for i in own], self.stack, given), strict=True):
                rows[index] = row
        return rows

    def windows(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, overlap: int = 0
    ) -> list[tuple[Window, ...]]:
        """Each text as one or several rows, so that nothing of it is lost; of pairs the second text is cut.

        Args:
            overlap: how many tokens two neighbouring rows share; fewer where rows are too short for it.
        """
        return self.encoder.windows(texts, self.stack, pairs, overlap)


def _kinds(batch: EncodedRows) -> Tensor:
    return torch.zeros_like(batch.input_ids) if batch.token_type_ids is None else batch.token_type_ids


def _widened(values: Tensor, length: int, filling: int) -> Tensor:
    return pad(values, (0, length - values.shape[1]), value=filling)

"""Sentence vectors of many texts through one stack, without gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lect.composition.encode import RowEncoder
from lect.composition.finite import check_vectors
from lect.composition.model import RoutedModel
from lect.composition.routes import Routes
from lect.composition.rows import EncodedRows

PIECES_PER_BATCH = 4096
TEXTS_AT_ONCE = 16_384
"""Of a longer corpus so many texts are cut into pieces at a time."""


def batches_by_length(lengths: Sequence[int], pieces: int = PIECES_PER_BATCH) -> list[list[int]]:
    """Indices in batches of like length, each of at most `pieces` pieces when padded (at least one row a batch)."""
    batches: list[list[int]] = []
    current: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index], reverse=True):
        longest = lengths[current[0]] if current else lengths[index]
        if current and longest * (len(current) + 1) > pieces:
            batches.append(current)
            current = []
        current.append(index)
    return [*batches, current] if current else batches


def encoded_batches(
    encoder: RowEncoder, texts: Sequence[str], stack: tuple[str, ...], pairs: Sequence[str] | None = None
) -> Iterator[tuple[list[int], EncodedRows]]:
    """Batches of like length through one stack, each with the indices of its texts."""
    # A stretch at a time: the encodings of a long corpus take a hundred times what its texts do.
    for first in range(0, len(texts), TEXTS_AT_ONCE):
        own = slice(first, first + TEXTS_AT_ONCE)
        encodings = encoder.pieces(texts[own], stack, None if pairs is None else pairs[own])
        for rows in batches_by_length([len(encoding.ids) for encoding in encodings]):
            batch = encoder.assemble([encodings[row] for row in rows], Routes.uniform(stack, len(rows)))
            yield [first + row for row in rows], batch


@torch.no_grad()
def sentence_vectors(
    model: RoutedModel, encoder: RowEncoder, texts: Sequence[str], stack: tuple[str, ...] = ()
) -> Tensor:
    """The vector of each text: what the stack's head makes of it where that gives vectors, else its pooled states.

    Returns:
        *Shape:* ``(texts, width)``, float32, on the CPU.

    Raises:
        NotFiniteError: one is not finite.
    """
    device = next(model.encoder.parameters()).device
    vectors = torch.empty(len(texts), model.backbone.hidden_size)
    training = model.training
    model.eval()
    for rows, batch in encoded_batches(encoder, texts, stack):
        moved = batch.to(device)
        hidden = model(moved)
        found = model.vectors(hidden, moved).float().cpu()
        if vectors.shape[1] != found.shape[1]:
            vectors = torch.empty(len(texts), found.shape[1])
        check_vectors(found, [f'the text "{texts[row][:40]}"' for row in rows])
        vectors[rows] = found
    model.train(training)
    return vectors

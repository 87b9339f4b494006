"""First embeddings that need no other space than the backbone's own."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import torch
from torch import Tensor

from lect import DataError, NewEmbeddings
from lect_vocabulary.pieces import BaseTokenizer, surface


def frozen_rows(new: NewEmbeddings) -> Tensor:
    """The backbone's embeddings of its own pieces. *Shape:* ``(first, features)``."""
    matrix: Tensor = new.backbone.module(new.backbone.anatomy.word_embedding).weight
    return matrix.detach()[: new.first].float().cpu()


def random_rows(new: NewEmbeddings) -> Tensor:
    """Rows around zero, with the spread of all the backbone's numbers."""
    matrix = frozen_rows(new)
    return torch.randn(len(new.tokens), matrix.shape[1]) * matrix.std()


def drawn_like(matrix: Tensor, count: int) -> Tensor:
    """Rows drawn as the given ones lie: their mean and, in each feature, their spread (Hewitt 2021)."""
    return matrix.mean(0) + torch.randn(count, matrix.shape[1]) * matrix.std(0)


def mean_of_old_pieces(new: NewEmbeddings) -> Tensor:
    """The mean embedding of the pieces that the backbone cut each new one into (Gee et al. 2022, section 3).

    A piece that it did not know is drawn as its embeddings lie.
    """
    matrix = frozen_rows(new)
    rows = drawn_like(matrix, len(new.tokens))
    for row, ids in enumerate(new.base_ids):
        if len(ids):
            rows[row] = matrix[torch.tensor(list(ids))].mean(0)
    return rows


def lexical_overlap(new: NewEmbeddings) -> Tensor:
    """The embedding of the piece that is written alike (Pfeiffer et al. 2021, section 3.2).

    The paper's two vocabularies share pieces; a new piece here is one that the backbone lacks, so that alike means
    alike without marks for spaces, then without capitals and diacritics. What is alike to nothing is drawn as the
    backbone's embeddings lie.
    """
    matrix = frozen_rows(new)
    rows = drawn_like(matrix, len(new.tokens))
    for row, ids in _alike(new).items():
        rows[row] = matrix[torch.tensor(ids)].mean(0)
    return rows


def mean_of_translations(new: NewEmbeddings) -> Tensor:
    """The mean of the frozen embeddings of what the texts that a piece occurs in translate into.

    A piece that occurs in no translated text gets the mean of the others.

    Raises:
        DataError: no example has a translation.
    """
    texts, translations = encoded_pairs(new, "random")
    matrix = frozen_rows(new)
    total = torch.zeros(len(new.tokens), matrix.shape[1])
    count = torch.zeros(len(total), 1)
    for text, translation in zip(texts, translations, strict=True):
        own = torch.tensor([piece - new.first for piece in text if piece >= new.first], dtype=torch.long)
        if len(own) and translation:
            mean = matrix[torch.tensor(translation)].mean(0)
            total.index_add_(0, own, mean.expand(len(own), -1))
            count.index_add_(0, own, torch.ones(len(own), 1))
    known = count.squeeze(1) > 0
    rows = total / count.clamp_min(1)
    rows[~known] = rows[known].mean(0) if known.any() else matrix.mean(0)
    return rows


def factorised(new: NewEmbeddings, dimensions: int) -> Tensor:
    """Rows inside the main directions of the backbone's matrix (Pfeiffer et al. 2021, section 3.1).

    The old matrix is factorised, E ≈ F·G with G of `dimensions` rows; new rows are f·G, where f is taken over from
    alike pieces and else drawn as the rows of F lie. The paper factorises with Semi-NMF; here it is the truncated
    singular value decomposition, the best of its rank (Eckart and Young 1936). The paper trains f alone; here these
    are first values, and whole rows train.
    """
    matrix = frozen_rows(new)
    mean = matrix.mean(0)
    centred = matrix - mean
    _, vectors = torch.linalg.eigh((centred.T @ centred).double())
    basis = vectors[:, -min(dimensions, matrix.shape[1]) :].float()
    factor = centred @ basis
    rows = drawn_like(factor, len(new.tokens))
    for row, ids in _alike(new).items():
        rows[row] = factor[torch.tensor(ids)].mean(0)
    return rows @ basis.T + mean


def encoded_pairs(new: NewEmbeddings, instead: str) -> tuple[list[list[int]], list[list[int]]]:
    """The ids of each translated text, cut with the new pieces, and those of its translation, cut by the backbone.

    Raises:
        DataError: no example has a translation.
    """
    pairs = [(example.text, example.translation) for example in new.examples if example.translation]
    if not pairs:
        raise DataError(
            "no training row has a translation to take new embeddings from",
            fix=f'name the column with translation = "…", or set initialise = "{instead}"',
        )
    base = new.backbone.tokenizer.backend_tokenizer
    return encoded(new.tokenizer, [text for text, _ in pairs]), encoded(base, [other for _, other in pairs])


def encoded(tokenizer: object, texts: Sequence[str]) -> list[list[int]]:
    """The ids of each text, without the pieces that are put around it."""
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)  # type: ignore[attr-defined]
    return [list(encoding.ids) for encoding in encodings]


def _alike(new: NewEmbeddings) -> dict[int, list[int]]:
    """For each row with a piece that is written alike, the ids of the backbone's own: the nearest kind of likeness."""
    base = BaseTokenizer(new.backbone.tokenizer.backend_tokenizer.to_str())
    exact: dict[str, list[int]] = {}
    plain: dict[str, list[int]] = {}
    for piece, index in base.vocabulary.items():
        text = surface(base, piece) if piece not in base.special else ""
        if text:
            exact.setdefault(text, []).append(index)
            plain.setdefault(_plain(text), []).append(index)
    found = {row: exact.get(text) or plain.get(_plain(text)) for row, text in enumerate(new.texts) if text}
    return {row: ids for row, ids in found.items() if ids}


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(character for character in decomposed if not unicodedata.combining(character))
    return kept or text

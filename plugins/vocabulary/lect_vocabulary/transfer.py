"""First embeddings through another space: FOCUS, and a bilingual dictionary as in WECHSEL."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from lect import DataError, NewEmbeddings
from lect.data.files import read_lines, without_end
from lect_vocabulary.spaces import Space, static_space
from lect_vocabulary.starts import drawn_like, encoded, encoded_pairs, frozen_rows

if TYPE_CHECKING:
    from lect_vocabulary.initialisers import DictionaryConfig, FocusConfig

_FEW_ENTRIES = 20


def focus(config: FocusConfig, new: NewEmbeddings) -> Tensor:
    """Sums of the backbone's embeddings, weighted by likeness in an auxiliary space (Dobler and de Melo 2023, 2.2).

    The backbone's pieces that occur in the texts are the overlap. Of each new piece the cosines to them in a static
    space become weights by sparsemax, and its embedding is the weighted sum of theirs. The paper trains the space
    (fastText) on the language's text alone; with `parallel`, the translations' pieces are in it too, without which a
    language in a script of its own would overlap in digits and full stops only.

    Raises:
        DataError: none of the backbone's pieces occurs in the texts.
    """
    matrix = frozen_rows(new)
    if config.parallel and any(example.translation for example in new.examples):
        texts, translations = encoded_pairs(new, "mean")
        space = static_space(texts, config.dimensions, config.window, translations)
    else:
        texts = encoded(new.tokenizer, [example.text for example in new.examples])
        space = static_space(texts, config.dimensions, config.window)
    overlap = np.flatnonzero((space.keys < new.first) & (space.counts >= config.minimum_count))
    if not len(overlap):
        raise DataError(
            "none of the backbone's pieces occurs in the training texts, so that FOCUS has nothing to draw from",
            fix='add translations, or set initialise = "random"',
        )
    shared = matrix[torch.from_numpy(space.keys[overlap])]
    rows = drawn_like(matrix, len(new.tokens))
    known = space.rows(range(new.first, new.first + len(new.tokens)))
    for block in np.array_split(np.flatnonzero(known >= 0), max(1, len(new.tokens) // 512)):
        cosines = torch.from_numpy(space.vectors[known[block]] @ space.vectors[overlap].T).float()
        rows[torch.from_numpy(block)] = sparsemax(cosines) @ shared
    return rows


def sparsemax(scores: Tensor) -> Tensor:
    """The nearest point of the probability simplex, row by row (Martins and Astudillo 2016, algorithm 1).

    Args:
        scores: *Shape:* ``(rows, choices)``.
    """
    ranked, _ = scores.sort(dim=-1, descending=True)
    sums = ranked.cumsum(-1) - 1
    places = torch.arange(1, scores.shape[-1] + 1, dtype=scores.dtype)
    size = (places * ranked > sums).sum(-1, keepdim=True).clamp_min(1)
    return (scores - sums.gather(-1, size - 1) / size).clamp_min(0)


def through_dictionary(config: DictionaryConfig, new: NewEmbeddings) -> Tensor:
    """Weighted means of the backbone's embeddings that lie near a piece's words (Minixhofer et al. 2022, section 3).

    Vectors of the language's words are turned into the space of the backbone's embeddings by the orthogonal matrix
    that brings the dictionary's words nearest to their translations (Schönemann 1966). A piece's vector is the mean of
    those of the words it occurs in, by their number (equation 1); its embedding is the mean of its nearest pieces',
    weighted by softmax of cosine over temperature (equation 3). In place of fastText's, the source language's vectors
    are those of the backbone itself.

    Raises:
        DataError: the dictionary is wrong, has too few words that occur in the texts, or there is neither a dictionary
            nor a translation.
    """
    matrix = frozen_rows(new)
    sentences = [_words(example.text) for example in new.examples]
    counts = Counter(word for sentence in sentences for word in sentence)
    index = {word: place for place, word in enumerate(sorted(counts))}
    space = static_space(
        [[index[word] for word in sentence] for sentence in sentences], config.dimensions, config.window
    )
    entries = _entries(config, new, sentences)
    base = new.backbone.tokenizer.backend_tokenizer
    cut = dict(zip(entries, encoded(base, list(entries.values())), strict=True))
    used = [word for word in entries if word in index and cut[word]]
    if len(used) < _FEW_ENTRIES:
        raise DataError(
            f"the dictionary has {len(used)} words of the training texts, and {_FEW_ENTRIES} are the least",
            where=config.path,
            fix='name a larger one, or set initialise = "translations"',
        )
    candidates = sorted({piece for word in used for piece in cut[word]} | _pieces_of_translations(new))
    source, targets = _narrowed(matrix, candidates, [cut[word] for word in used], config.dimensions)
    words = space.vectors[space.rows([index[word] for word in used])]
    left, _, right = np.linalg.svd(words.T @ targets)
    turned = space.vectors @ (left @ right)
    mine, has_words = _pieces_in(new, turned, index, counts, space)
    return _near(matrix, candidates, source, mine, has_words, config)


# ----------------------------------------------------------------------------------------------------- its dictionary


def _entries(config: DictionaryConfig, new: NewEmbeddings, sentences: Sequence[Sequence[str]]) -> Mapping[str, str]:
    if config.path is not None:
        return _read(new.folder / Path(config.path).expanduser())
    others = [_words(example.translation or "") for example in new.examples]
    if not any(others):
        raise DataError(
            "there is neither a dictionary nor a training row with a translation to make one of",
            fix='name one: initialise = {name = "dictionary", path = "…"}',
        )
    return _found_in_pairs(sentences, others)


def _read(file: Path) -> Mapping[str, str]:
    entries: dict[str, str] = {}
    for number, written in read_lines(file, str(file)):
        line = without_end(written)
        if not line.strip():
            continue
        sides = line.split("\t") if "\t" in line else re.split(" +", line.strip())
        columns = [column.strip() for column in sides]
        if len(columns) < 2 or not columns[0] or not columns[1]:
            raise DataError(
                "the line has no word and translation", where=f"{file}, line {number}", fix="write word<TAB>translation"
            )
        entries.setdefault(_folded(columns[0]), columns[1])
    return entries


def _found_in_pairs(texts: Sequence[Sequence[str]], others: Sequence[Sequence[str]]) -> Mapping[str, str]:
    """Words that are each other's best by Dice's coefficient over the pairs of sentences they occur in."""
    own, left = _occurrences(texts)
    their, right = _occurrences(others)
    both = (left.T @ right).tocoo()
    often = both.data >= 3
    rows, columns, together = both.row[often], both.col[often], both.data[often]
    sizes = np.asarray(left.sum(0)).ravel(), np.asarray(right.sum(0)).ravel()
    dice = 2 * together / (sizes[0][rows] + sizes[1][columns])
    best_of_row: dict[int, tuple[float, int]] = {}
    best_of_column: dict[int, tuple[float, int]] = {}
    for row, column, value in zip(rows.tolist(), columns.tolist(), dice.tolist(), strict=True):
        best_of_row[row] = max(best_of_row.get(row, (0.0, 0)), (value, -column))
        best_of_column[column] = max(best_of_column.get(column, (0.0, 0)), (value, -row))
    return {
        own[row]: their[-column]
        for row, (_, column) in sorted(best_of_row.items())
        if best_of_column[-column][1] == -row
    }


def _occurrences(sentences: Sequence[Sequence[str]]) -> tuple[list[str], csr_matrix]:
    words = sorted({word for sentence in sentences for word in sentence})
    index = {word: place for place, word in enumerate(words)}
    entries = [(row, index[word]) for row, sentence in enumerate(sentences) for word in sorted(set(sentence))]
    rows, columns = zip(*entries, strict=True) if entries else ((), ())
    return words, csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(sentences), len(words)))


# --------------------------------------------------------------------------------------------------------- its spaces


def _narrowed(
    matrix: Tensor, candidates: Sequence[int], cuts: Sequence[Sequence[int]], dimensions: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Candidates' embeddings, and means of the cuts', centred and in their main directions, each of length one."""
    own = matrix[torch.tensor(list(candidates))].double()
    means = torch.stack([matrix[torch.tensor(list(cut))].mean(0) for cut in cuts]).double()
    centre = own.mean(0)
    _, _, directions = torch.linalg.svd(own - centre, full_matrices=False)
    basis = directions[:dimensions].T
    narrowed = [_of_length_one(((rows - centre) @ basis).numpy()) for rows in (own, means)]
    short = dimensions - narrowed[0].shape[1]
    source, targets = (np.pad(rows, ((0, 0), (0, max(0, short)))) for rows in narrowed)
    return source, targets


def _pieces_in(
    new: NewEmbeddings,
    words: NDArray[np.float64],
    index: Mapping[str, int],
    counts: Mapping[str, int],
    space: Space,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Each new piece's vector: the mean of those of the words it occurs in, by how often they do."""
    names = sorted(index)
    entries: list[tuple[int, int, int]] = []
    for word, ids in zip(names, encoded(new.tokenizer, names), strict=True):
        entries += [(piece - new.first, index[word], counts[word]) for piece in set(ids) if piece >= new.first]
    shape = (len(new.tokens), len(names))
    rows, columns, times = zip(*entries, strict=True) if entries else ((), (), ())
    weights = csr_matrix((np.array(times, dtype=float), (rows, columns)), shape=shape)
    known = np.asarray(weights.sum(1)).ravel() > 0
    return _of_length_one(weights @ words[space.rows(range(len(names)))]), known


def _near(
    matrix: Tensor,
    candidates: Sequence[int],
    source: NDArray[np.float64],
    mine: NDArray[np.float64],
    known: NDArray[np.bool_],
    config: DictionaryConfig,
) -> Tensor:
    rows = drawn_like(matrix, len(mine))
    cosines = torch.from_numpy(mine @ source.T).float()
    nearest, places = cosines.topk(min(config.neighbours, len(candidates)), dim=-1)
    weights = (nearest / config.temperature).softmax(-1)
    made = (weights.unsqueeze(-1) * matrix[torch.tensor(list(candidates))[places]]).sum(1)
    has_words = torch.from_numpy(known)
    rows[has_words] = made[has_words]
    return rows


def _pieces_of_translations(new: NewEmbeddings) -> set[int]:
    texts = [example.translation for example in new.examples if example.translation]
    return {piece for ids in encoded(new.backbone.tokenizer.backend_tokenizer, texts) for piece in ids}


def _of_length_one(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 1e-12, lengths, 1.0))


def _words(text: str) -> list[str]:
    """The words of a text without the signs around them."""
    return [word for part in text.split() if (word := _folded(_bare(part)))]


def _bare(word: str) -> str:
    signs = [not unicodedata.category(character).startswith(("P", "S")) for character in word]
    return word[signs.index(True) : len(word) - signs[::-1].index(True)] if any(signs) else ""


def _folded(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold()

"""Rows that are held out of the training to validate on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from lect.data.dataset import Dataset
from lect.data.examples import Example
from lect.data.stored import hold
from lect.errors import DataError

_LARGEST_BLOCK = 50
_FEWEST_BLOCKS = 4


def hold_out(
    train: Sequence[Dataset], share: float, seed: int, *, blocks: bool = False
) -> tuple[tuple[Dataset, ...], tuple[Dataset, ...]]:
    """Every source in two: what is learned from, and what is held out.

    Equal rows stay together, of all sources, and so do questions on one text. By default rows are chosen by a hash of
    their keys (or texts). In blocks, rows that stand one after another are held out together: where a corpus is made
    of documents, a row beside those that are learned from has their names and their words, and says little of other
    texts.

    Raises:
        DataError: one of the two would be empty.
    """
    out = {group for data in train for group in (_of_blocks if blocks else _of_rows)(data.examples, share, seed)}
    parts: dict[bool, list[Dataset]] = {True: [], False: []}
    for data in train:
        for part in (True, False):
            rows = hold(row for row in data.examples if (_group(row) in out) is part)
            digest = hashlib.sha256(f"{data.sha256}/{part}{'/blocks' if blocks else ''}".encode()).hexdigest()
            parts[part].append(replace(data, examples=rows, sha256=digest))
    if not any(data.examples for data in parts[False]) or not any(data.examples for data in parts[True]):
        raise DataError(
            "too few rows to split", where="data.validation_share", fix="name a validation source, or leave it out"
        )
    return tuple(parts[False]), tuple(parts[True])


def _of_rows(examples: Sequence[Example], share: float, seed: int) -> set[str]:
    return {group for group in map(_group, examples) if _number(seed, group) < share * 2**64}


def _of_blocks(examples: Sequence[Example], share: float, seed: int) -> set[str]:
    """What stands in blocks of at most 50 rows, of which there are four or more."""
    size = max(1, min(_LARGEST_BLOCK, int(len(examples) * share / _FEWEST_BLOCKS)))
    blocks = range(-(-len(examples) // size))
    count = max(1, round(share * len(examples) / size))
    chosen = set(sorted(blocks, key=lambda block: _number(seed, str(block)))[:count])
    return {_group(row) for place, row in enumerate(examples) if place // size in chosen}


def _number(seed: int, key: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{key}".encode()).digest()[:8], "big")


def _group(row: Example) -> str:
    return row.text if row.question is not None else row.key or row.text

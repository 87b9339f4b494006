"""Byte pair encoding on pieces: the pairs that are joined in a language's words, in order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from lect_vocabulary.pieces import BaseTokenizer, distinct

# Code points that stand for pieces while pairs of them are learned: behind all that texts are likely to use.
_FIRST_STAND_IN = 0x20000


def pieces_joined(
    base: BaseTokenizer, spelt: Mapping[tuple[str, ...], int], singles: Sequence[str], count: int, longest: int
) -> list[str]:
    """New pieces that are joined in these words, the first ones first.

    Args:
        spelt: words as their single characters, with how often each occurs.
        singles: new pieces of one character, which go before all.
        count: the most pieces returned.
    """
    wanted = count + count // 4
    while True:
        pairs = joined(spelt, wanted, base.prefix)
        made = [left + right.removeprefix(base.prefix) for left, right in pairs]
        short = [piece for piece in made if len(piece.removeprefix(base.prefix)) <= longest]
        found = distinct([*singles, *short], base)
        if len(found) >= count or len(pairs) < wanted:
            return found[:count]
        # The backbone has much of what is joined. Its share is taken to be the same among what would come next.
        wanted = max(wanted + count, wanted * count // max(1, len(found)))


def joined(words: Mapping[tuple[str, ...], int], count: int, prefix: str = "") -> list[tuple[str, str]]:
    """The pairs that byte pair encoding joins in these words, in order; each half is a piece.

    The library learns them, on one stand-in character a piece: so it can go on where another vocabulary ends, and it
    numbers characters in their order, which it does not do for pieces with a prefix.

    Args:
        words: each as its pieces, with how often it occurs.
        prefix: what a piece within a word has in front, and a pair only once.
    """
    used = sorted({piece for word in words for piece in word})
    stand_in = {piece: chr(_FIRST_STAND_IN + place) for place, piece in enumerate(used)}
    learner = Tokenizer(BPE())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = BpeTrainer(vocab_size=len(used) + count, min_frequency=2, show_progress=False)
    lines = (
        " ".join(["".join(stand_in[piece] for piece in word)] * times)
        for word, times in sorted(words.items(), key=lambda entry: entry[0])
    )
    learner.train_from_iterator(lines, trainer)
    made = {character: piece for piece, character in stand_in.items()}
    pairs = []
    for left, right in json.loads(learner.to_str())["model"]["merges"]:
        pairs.append((made[left], made[right]))
        made[left + right] = made[left] + made[right].removeprefix(prefix)
    return pairs


def words_of(base: BaseTokenizer, text: str) -> list[str]:
    """The words of a text as the backbone's tokenizer splits it, before it cuts them."""
    clean, splitter = normalised(base, text), base.tokenizer.pre_tokenizer
    return clean.split() if splitter is None else [word for word, _ in splitter.pre_tokenize_str(clean)]


def normalised(base: BaseTokenizer, text: str) -> str:
    """A text as the backbone's tokenizer cleans it."""
    normaliser = base.tokenizer.normalizer
    return text if normaliser is None else str(normaliser.normalize_str(text))

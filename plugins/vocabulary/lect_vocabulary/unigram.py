"""New pieces for unigram tokenizers, with scores on the backbone's own scale."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.trainers import UnigramTrainer

from lect_vocabulary.joining import joined, pieces_joined, words_of
from lect_vocabulary.pieces import BaseTokenizer, LearnedPieces, distinct

Learner = Literal["bpe", "unigram"]
"""How pieces are found: by joining the most frequent pairs, or by pruning a unigram model."""

_ROUNDS = 3
_SHARED_ENOUGH = 20
_MARGIN = 0.01
_STEP_OF_RARE_CHARACTERS = 1e-4


def learn_unigrams(
    base: BaseTokenizer, texts: Sequence[str], count: int, longest: int, learner: Learner
) -> LearnedPieces:
    """The pieces that a unigram tokenizer lacks, the most probable first."""
    words = Counter(word for text in texts for word in words_of(base, text))
    if not words:
        return LearnedPieces("Unigram", base.digest, ())
    learn = _by_joining if learner == "bpe" else _by_pruning
    new, learned = learn(base, words, texts, count, longest)
    scored = sorted(_on_the_scale_of(base, new, learned), key=lambda entry: (-entry[1], entry[0]))
    return LearnedPieces(
        "Unigram", base.digest, tuple(piece for piece, _ in scored), scores=tuple(score for _, score in scored)
    )


Scored = Mapping[str, float]


def _by_joining(
    base: BaseTokenizer, words: Mapping[str, int], _texts: Sequence[str], count: int, longest: int
) -> tuple[Scored, Scored]:
    """Pieces by byte pair encoding (Sennrich et al. 2016), their probabilities by cutting the text with them.

    A unigram model learned by pruning (Kudo 2018) starts from what two different words share, so that it misses most
    whole words. On 6,193 sentences of N'Ko, 4,000 pieces so joined cut FLORES into 1.42 pieces a word, and 4,000 so
    pruned into 1.56.
    """
    letters = Counter[str]()
    for word, times in words.items():
        for letter in word:
            letters[letter] += times
    spelt = {tuple(word): times for word, times in words.items()}
    singles = distinct(sorted(letters, key=lambda letter: (-letters[letter], letter)), base)
    new = pieces_joined(base, spelt, singles, count, longest)
    all_pieces = {*letters, *new}
    # Known pieces that would be learned as well take part, so that what is known is compared with what is new.
    all_pieces |= {piece for left, right in joined(spelt, len(new)) if len(piece := left + right) <= longest}
    probable = _most_probable(sorted(all_pieces), words)
    return {piece: probable[piece] for piece in new}, probable


def _most_probable(pieces: Sequence[str], words: Mapping[str, int]) -> Scored:
    """Log probabilities from how often each piece is used in the best cuts of the words, in a few rounds.

    The first cuts are those into the fewest pieces. Counts are of integers, in a fixed order: the same in every run.
    """
    scores = dict.fromkeys(pieces, -1.0)
    for _ in range(_ROUNDS):
        model = Unigram([("<unk>", 0.0), *scores.items()], 0)
        used = Counter[str]()
        for word, times in words.items():
            for token in model.tokenize(word):
                used[token.value] += times
        total = sum(used.values())
        scores = {piece: math.log((used[piece] + 0.5) / total) for piece in pieces}
    return scores


def _by_pruning(
    base: BaseTokenizer, words: Mapping[str, int], texts: Sequence[str], count: int, longest: int
) -> tuple[Scored, Scored]:
    """Pieces and probabilities by expectation maximisation and pruning (Kudo 2018, section 3.2)."""
    # Characters that the backbone knows already take up places among what is learned; ask for that many more.
    letters = {letter for word in words for letter in word}
    wanted = max(count, len(letters)) + sum(letter in base.vocabulary for letter in letters)
    learned = _unigrams(base, texts, wanted, longest)
    new = [entry for entry in learned if entry[0] not in base.vocabulary]
    if len(new) < count and len(learned) >= wanted:
        # So do longer pieces that it knows. Their share is taken to be the same among what would come next.
        learned = _unigrams(base, texts, count * wanted // max(1, len(new)), longest)
        new = [entry for entry in learned if entry[0] not in base.vocabulary]
    ranked = sorted(_settled(new), key=lambda entry: (-entry[1], entry[0]))
    return dict(ranked[:count]), dict(learned)


def _unigrams(base: BaseTokenizer, texts: Sequence[str], size: int, longest: int) -> list[tuple[str, float]]:
    learner = Tokenizer(Unigram())
    if base.tokenizer.normalizer is not None:
        learner.normalizer = base.tokenizer.normalizer
    if base.tokenizer.pre_tokenizer is not None:
        learner.pre_tokenizer = base.tokenizer.pre_tokenizer
    trainer = UnigramTrainer(
        vocab_size=size + 1,
        max_piece_length=longest,
        unk_token="<unk>",
        special_tokens=["<unk>"],
        show_progress=False,
        initial_alphabet=[],
        # As good as the library's 0.75 on the texts this was tried on, in half the time.
        shrinking_factor=0.5,
    )
    learner.train_from_iterator(texts, trainer)
    learned = json.loads(learner.to_str())["model"]["vocab"]
    return [(piece, float(score)) for piece, score in learned if piece != "<unk>"]


def _settled(pieces: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """The pieces with scores that are the same in every run on the same texts.

    The library sums in the order of its hash maps, which differs from run to run, so that scores differ in their last
    digits; and to characters that must be there though they are too rare it gives the lowest score, less 0.0001 for
    each in turn, in that order, too.
    """
    lowest = min((score for _, score in pieces), default=0.0)
    rare = sorted((score, piece) for piece, score in pieces if len(piece) == 1)
    floor = lowest
    settled = dict(pieces)
    for score, piece in rare:
        if score - floor > _STEP_OF_RARE_CHARACTERS * 1.5:
            break
        settled[piece], floor = lowest, score
    return [(piece, round(score, 2)) for piece, score in settled.items()]


def _on_the_scale_of(base: BaseTokenizer, new: Scored, learned: Scored) -> Iterable[tuple[str, float]]:
    """The new pieces with scores that stand beside those of the backbone's own pieces.

    The log probabilities of a few thousand pieces on one language's text are higher than those of a vocabulary for a
    hundred languages: they are lowered by the median difference over the pieces that both have. And a piece wins over
    what its text was cut into before, whatever that difference is.
    """
    own = {piece: float(score) for piece, score in base.parsed["model"]["vocab"]}
    shared = [score - own[piece] for piece, score in learned.items() if len(piece) > 1 and piece in own]
    shift = round(statistics.median(shared), 1) if len(shared) >= _SHARED_ENOUGH else 0.0
    scores = [score for _, score in base.parsed["model"]["vocab"]]
    for piece, score in new.items():
        before = base.tokenize(piece)
        path = sum(scores[index] for index in before) + _MARGIN if before else base.lowest
        yield piece, max(base.lowest, round(min(0.0, max(score - shift, path)), 4))

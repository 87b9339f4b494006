"""Learning new pieces from a language's text, for each kind of tokenizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from lect import Backbone, BackboneError, LearnedVocabulary
from lect_vocabulary.joining import joined, normalised, pieces_joined, words_of
from lect_vocabulary.pieces import BaseTokenizer, LearnedPieces, distinct, splice
from lect_vocabulary.unigram import Learner, learn_unigrams

# Bytes count as characters in a byte-level tokenizer, and most characters of other scripts than Latin have two.
_BYTES_OF_CHARACTER = 2


def learn_pieces(
    base: BaseTokenizer, texts: Sequence[str], count: int, longest: int, learner: Learner = "bpe"
) -> LearnedPieces:
    """The pieces of these texts that a tokenizer lacks, learned and scored for its own kind of cutting.

    The same texts give the same pieces in every run.

    Args:
        count: the most pieces returned; fewer where the texts have no more.
        longest: the most characters of a piece.
        learner: ``unigram`` for tokenizers that are unigram models only.

    Raises:
        BackboneError: the tokenizer is of a kind that cannot be extended, or not in this way.
    """
    if learner == "unigram" and base.algorithm != "Unigram":
        raise BackboneError(
            f"unigram pieces are for unigram tokenizers, and this backbone's is {base.algorithm}",
            fix='leave learner = "unigram" out',
        )
    if base.algorithm == "BPE":
        return _learn_merges(base, texts, count, longest)
    if base.algorithm == "WordPiece":
        return _learn_wordpieces(base, texts, count, longest)
    return learn_unigrams(base, texts, count, longest, learner)


def learned_vocabulary(
    backbone: Backbone, texts: Sequence[str], count: int, longest: int, learner: Learner
) -> LearnedVocabulary:
    """The same for a backbone, as files hold them. Raises as `learn_pieces`."""
    base = BaseTokenizer(backbone.tokenizer.backend_tokenizer.to_str())
    new = learn_pieces(base, texts, count, longest, learner)
    return LearnedVocabulary(new.pieces, new.to_json(), splice(base, new))


# -------------------------------------------------------------------------------------------------- byte pair encoding


def _learn_merges(base: BaseTokenizer, texts: Sequence[str], count: int, longest: int) -> LearnedPieces:
    """Merges that go on where the backbone's own end (Sennrich et al. 2016, section 3.2).

    Learned on text as the backbone cuts it, and put behind its merges: whatever it joined is joined first, as before,
    and only then are pieces joined further. Where it has pieces for single bytes in the place of unknown characters,
    the frequent ones of these characters become pieces first.
    """
    characters = _missing_characters(base, texts)[:count]
    between = base
    if characters:
        between = BaseTokenizer(splice(base, LearnedPieces("BPE", base.digest, tuple(characters))))
    further = _further_merges(between, texts, count - len(characters), longest)
    return LearnedPieces("BPE", base.digest, (*characters, *further), merges=tuple(further.values()))


def _missing_characters(base: BaseTokenizer, texts: Sequence[str]) -> list[str]:
    if base.is_byte_level:
        return []
    counts = Counter(character for text in texts for character in normalised(base, text) if not character.isspace())
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    return distinct(ranked, base)


def _further_merges(base: BaseTokenizer, texts: Sequence[str], count: int, longest: int) -> dict[str, tuple[str, str]]:
    """New pieces, each with the pair that makes it."""
    if count <= 0:
        return {}
    pieces = {index: piece for piece, index in base.vocabulary.items()}
    words = Counter(word for text in texts for word in _words_of_pieces(base, text, pieces))
    most = longest * (_BYTES_OF_CHARACTER if base.is_byte_level else 1)
    found: dict[str, tuple[str, str]] = {}
    # More are learned than wanted, since some are refused.
    for left, right in joined(words, count + count // 4, base.prefix):
        piece = left + right.removeprefix(base.prefix)
        # A pair of which one half was refused is refused with it.
        refused = any(half not in base.vocabulary and half not in found for half in (left, right))
        known = piece in found or piece in base.vocabulary or piece in base.special
        if not refused and not known and len(piece) <= most:
            found[piece] = (left, right)
        if len(found) == count:
            break
    return found


def _words_of_pieces(base: BaseTokenizer, text: str, pieces: Mapping[int, str]) -> list[tuple[str, ...]]:
    """The words of a text, each as the pieces it is cut into; no merge will go beyond a word."""
    encoding = base.tokenizer.encode(text, add_special_tokens=False)
    words: list[list[str]] = []
    before: int | None = None
    for index, word in zip(encoding.ids, encoding.word_ids, strict=True):
        piece = pieces.get(index)
        if piece is not None and piece not in base.special:
            if not words or word != before or piece.startswith("▁"):
                words.append([])
            words[-1].append(piece)
        before = word
    return [tuple(word) for word in words if len(word) > 1]


# ----------------------------------------------------------------------------------------------------------- WordPiece


def _learn_wordpieces(base: BaseTokenizer, texts: Sequence[str], count: int, longest: int) -> LearnedPieces:
    """Pieces for the longest match first (Schuster and Nakajima 2012), learned by joining pairs as the library does."""
    words = Counter(word for text in texts for word in words_of(base, text))
    letters: Counter[str] = Counter()
    spelt: dict[tuple[str, ...], int] = {}
    for word, times in words.items():
        pieces = (word[0], *(base.prefix + letter for letter in word[1:]))
        spelt[pieces] = times
        for piece in pieces:
            letters[piece] += times
    singles = distinct(sorted(letters, key=lambda piece: (-letters[piece], piece)), base)
    new = pieces_joined(base, spelt, singles, count, longest)
    return LearnedPieces("WordPiece", base.digest, tuple(new))

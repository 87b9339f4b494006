"""Learning new unigram pieces and splicing them into a backbone's tokenizer."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.trainers import UnigramTrainer

from lect.errors import BackboneError

_STEP_OF_RARE_CHARACTERS = 1e-4


def learn_pieces(tokenizer_json: str, texts: Sequence[str], count: int, longest: int) -> list[tuple[str, float]]:
    """New unigram pieces of these texts, with their log probabilities, most probable first.

    The texts are normalised and split as the backbone's own tokenizer does it (Kudo 2018, section 3.2, for the
    model). Pieces that the tokenizer has already are not new.

    Args:
        count: the most pieces returned.
        longest: the most characters of a piece.

    Raises:
        BackboneError: the backbone's tokenizer is not a unigram model.
    """
    known = {piece for piece, _ in _unigram(json.loads(tokenizer_json))["vocab"]}
    base = Tokenizer.from_str(tokenizer_json)
    learner = Tokenizer(Unigram())
    learner.normalizer = base.normalizer
    learner.pre_tokenizer = base.pre_tokenizer
    # Characters that the backbone knows already take up places among what is learned; ask for that many more.
    characters = {character for text in texts for character in text}
    trainer = UnigramTrainer(
        vocab_size=count + len(characters & known) + 1,
        max_piece_length=longest,
        unk_token="<unk>",
        special_tokens=["<unk>"],
        show_progress=False,
        initial_alphabet=[],
    )
    learner.train_from_iterator(texts, trainer)
    learned = json.loads(learner.to_str())["model"]["vocab"]
    new = [(piece, float(score)) for piece, score in learned if piece not in known and piece != "<unk>"]
    return sorted(_settled(new), key=lambda entry: (-entry[1], entry[0]))[:count]


def splice(tokenizer_json: str, pieces: Sequence[tuple[str, float]]) -> str:
    """The tokenizer with these pieces behind its own, which keep their ids."""
    tokenizer = json.loads(tokenizer_json)
    vocabulary = _unigram(tokenizer)["vocab"]
    # Special pieces may have been added behind the model's own; the new ones come after those.
    for index in range(len(vocabulary), size_of(tokenizer_json)):
        vocabulary.append([f"\u0000unused{index}", -1e4])
    vocabulary.extend([piece, score] for piece, score in pieces)
    return json.dumps(tokenizer, ensure_ascii=False)


def size_of(tokenizer_json: str) -> int:
    """The first id that a tokenizer has not given away."""
    tokenizer = json.loads(tokenizer_json)
    added = [entry["id"] + 1 for entry in tokenizer["added_tokens"]]
    return max([len(_unigram(tokenizer)["vocab"]), *added])


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


def _unigram(tokenizer: dict) -> dict:
    if tokenizer["model"]["type"] != "Unigram":
        raise BackboneError(
            f"new pieces need a unigram tokenizer, and this backbone's is {tokenizer['model']['type']}",
            fix="use a backbone of the XLM-R family, such as e5-small",
        )
    return tokenizer["model"]

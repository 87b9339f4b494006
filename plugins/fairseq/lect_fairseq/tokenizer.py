"""Tokenizers that give fairseq's ids: SentencePiece's pieces, or GPT-2's byte-level BPE, numbered by a dictionary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lect import BackboneError
from lect.backbones.sentencepiece import BPE, USER_DEFINED, SentencePieceModel
from lect_fairseq.dictionary import BOS, EOS, MASK, PAD, SPECIAL, UNK, Vocabulary
from lect_fairseq.normalizer import build_normalizer
from lect_fairseq.sentencepiece import scores_of

_SPACE = "▁"
_WHITE_SPACE = r"[\t-\r\x{1c}-\x{1f}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]"
"""What Python's `str.split` splits at, but for the space."""
_MOST_WITHOUT_ID = 0.1


@dataclass(frozen=True)
class BuiltTokenizer:
    """A tokenizer, and what the model must know of it.

    Args:
        backend: a `tokenizers.Tokenizer`.
        unknown_pieces: how many pieces the dictionary lacks. fairseq reads each as the unknown token; here each has an
            id of its own, behind all others, which wants a copy of that token's embedding.
    """

    backend: Any
    unknown_pieces: int = 0


def sentencepiece_tokenizer(model: SentencePieceModel, vocabulary: Vocabulary, file: Path) -> BuiltTokenizer:
    """SentencePiece's cuts with fairseq's ids.

    Args:
        file: of SentencePiece, for messages.

    Raises:
        BackboneError: the dictionary is not of this model, or its table of replacements is damaged.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    scores = scores_of(model)
    names = _names(vocabulary, scores.keys())
    known = set(names)
    missing = [piece for piece in scores if piece not in known]
    if len(missing) > _MOST_WITHOUT_ID * len(names):
        raise BackboneError(
            f"{len(missing):,} of its {len(scores):,} pieces are not in the dictionary, such as {missing[0]}",
            where=str(file),
            fix="put the model there that the dictionary was made with",
        )
    whole = [*names, *missing]
    if model.algorithm == BPE:
        ids = {name: index for index, name in enumerate(whole)}
        cut: Any = models.BPE(
            vocab=ids,
            merges=_merges(scores),
            unk_token=SPECIAL[UNK],
            fuse_unk=True,
            byte_fallback=model.byte_fallback,
        )
    else:
        # What no text is cut into must not lower the least score, from which that of unknown characters is counted.
        least = min(scores.values())
        cut = models.Unigram([(name, scores.get(name, least)) for name in whole], UNK, model.byte_fallback)
    tokenizer = Tokenizer(cut)
    try:
        normalizer = build_normalizer(model.charsmap, collapses_spaces=model.collapses_spaces)
    except ValueError as error:
        raise BackboneError(str(error), where=str(file)) from error
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    scheme = "always" if model.dummy_prefix else "never"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme=scheme, split=True),
            # fairseq joins pieces by spaces and splits them at any white space, of which some is left here.
            pre_tokenizers.Split(Regex(_WHITE_SPACE), behavior="removed"),
        ]
    )
    decoder = decoders.Metaspace(replacement=_SPACE, prepend_scheme=scheme, split=True)
    if model.byte_fallback:
        decoder = decoders.Sequence([decoders.ByteFallback(), decoder])
    tokenizer.decoder = decoder
    tokenizer.add_tokens(
        [AddedToken(piece, normalized=True) for piece in sorted(model.of_kinds(USER_DEFINED)) if piece in known]
    )
    _add_special(tokenizer, vocabulary, names)
    return BuiltTokenizer(tokenizer, len(missing))


def gpt2_tokenizer(encoder: Path, merges: Path, vocabulary: Vocabulary) -> BuiltTokenizer:
    """GPT-2's byte-level BPE, whose ids are the dictionary's symbols, with fairseq's ids.

    Raises:
        BackboneError: a file is broken, or a token is not in the dictionary.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    numbers = _read_encoder(encoder)
    texts = {str(number): text for text, number in numbers.items()}
    names = [texts.get(symbol, symbol) for symbol in _names(vocabulary, texts.keys())]
    missing = sorted(numbers.keys() - set(names), key=numbers.__getitem__)
    pairs = _read_merges(merges)
    if lacking := [pair for pair in pairs if "".join(pair) not in numbers]:
        raise BackboneError(
            f'it merges "{lacking[0][0]}" and "{lacking[0][1]}" into what {encoder.name} does not have',
            where=str(merges),
        )
    if len(missing) > _MOST_WITHOUT_ID * len(names):
        raise BackboneError(
            f"{len(missing):,} of its {len(numbers):,} tokens are not in the dictionary, such as {numbers[missing[0]]}",
            where=str(encoder),
            fix="put the files there that the dictionary was made with",
        )
    ids = {name: index for index, name in enumerate([*names, *missing])}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    _add_special(tokenizer, vocabulary, names)
    return BuiltTokenizer(tokenizer, len(missing))


def frame_text(tokenizer: Any, single: Sequence[str], pair: Sequence[str]) -> None:
    """Put special tokens around every text, and around the second of two."""
    from tokenizers import processors

    around = sorted({token for token in (*single, *pair) if not token.startswith("$")})
    tokenizer.post_processor = processors.TemplateProcessing(
        single=" ".join(single),
        pair=" ".join(f"{token}:0" for token in (*single, *pair)),
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in around],
    )


def tokenizer_settings(vocabulary: Vocabulary, longest: int) -> dict[str, Any]:
    """What `transformers` wants to know of it beside: the content of ``tokenizer_config.json``."""
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": longest,
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        "bos_token": SPECIAL[BOS],
        "cls_token": SPECIAL[BOS],
        "pad_token": SPECIAL[PAD],
        "eos_token": SPECIAL[EOS],
        "sep_token": SPECIAL[EOS],
        "unk_token": SPECIAL[UNK],
    }
    if MASK in vocabulary.symbols:
        settings["mask_token"] = MASK
    if vocabulary.languages:
        settings["additional_special_tokens"] = list(vocabulary.languages.values())
    return settings


def _names(vocabulary: Vocabulary, pieces: Any) -> list[str]:
    """The tokens by their ids. What is of several characters and no piece gets a name that no text is cut into."""
    special = {*SPECIAL, MASK}
    return [
        vocabulary.languages.get(index)
        or (symbol if symbol in pieces or symbol in special or len(symbol) == 1 else f" {symbol.strip()}")
        for index, symbol in enumerate(vocabulary.symbols)
    ]


def _add_special(tokenizer: Any, vocabulary: Vocabulary, names: Sequence[str]) -> None:
    from tokenizers import AddedToken

    plain = [*SPECIAL, *vocabulary.languages.values()]
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in plain])
    if MASK in names:
        # The mask takes the space before it, as the token of a word would.
        tokenizer.add_special_tokens([AddedToken(MASK, lstrip=True, normalized=False, special=True)])


def _merges(scores: Mapping[str, float]) -> list[tuple[str, str]]:
    """The pairs that SentencePiece's BPE merges, the first one first: every way to make a piece of two."""
    order = sorted(scores, key=lambda piece: -scores[piece])
    ranks = {piece: rank for rank, piece in enumerate(order)}
    pairs = []
    for piece in order:
        cuts = [(piece[:at], piece[at:]) for at in range(1, len(piece))]
        own = [(left, right) for left, right in cuts if left in scores and right in scores]
        pairs += sorted(own, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
    return pairs


def _read_encoder(file: Path) -> dict[str, int]:
    try:
        numbers = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackboneError("it is no JSON, or cut short", where=str(file)) from error
    if not isinstance(numbers, dict) or not all(isinstance(number, int) for number in numbers.values()):
        raise BackboneError("it is not a table of tokens and their numbers", where=str(file))
    return numbers


def _read_merges(file: Path) -> list[tuple[str, str]]:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BackboneError("it cannot be read as UTF-8", where=str(file)) from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        if not line or (number == 1 and line.startswith("#")):
            continue
        left, _, right = line.partition(" ")
        if not right or " " in right:
            raise BackboneError("a merge is two tokens", where=f"{file}, line {number}")
        pairs.append((left, right))
    return pairs

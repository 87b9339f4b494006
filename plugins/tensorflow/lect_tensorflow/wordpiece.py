"""TensorFlow Text's word piece tokenizers as one of the `tokenizers` library, with the same ids and places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from lect import BackboneError, Config
from lect.backbones.charsmap import any_of, character_steps
from lect_tensorflow.characters import folding, members

SPECIAL = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
#: Characters that no text has: one stands in a word that is too long, one counts the bytes.
_TOO_LONG = "\ufdd1"


class WordpieceSettings(Config):
    """A tokenizer's class in `tensorflow_text`, and its arguments there."""

    tokenizer: Literal["BertTokenizer", "FastBertTokenizer", "FastWordpieceTokenizer"] = "BertTokenizer"
    lower_case: bool = Field(False, description="fold case, decompose, and strip accents")
    normalization_form: Literal["NFC", "NFKC", "NFD", "NFKD"] | None = None
    suffix_indicator: str = "##"
    max_bytes_per_word: int = Field(100, gt=0)
    unknown_token: str = "[UNK]"
    preserve_unused_token: bool = Field(False, description="[unused1] and so on are no four words")
    no_pretokenization: bool = Field(False, description="a text is one word")


def build_wordpiece(vocabulary: Sequence[str], settings: WordpieceSettings) -> Any:
    """A `tokenizers.Tokenizer` that gives ``[CLS]``, what TensorFlow Text gives for the text, and ``[SEP]``.

    Texts are never taken for special tokens, as TensorFlow Text takes none; ``split_special_tokens`` has to be set in
    ``tokenizer_config.json`` as well.

    Raises:
        BackboneError: the vocabulary has no unknown token or no ``[CLS]``, or names a token twice.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    ids = {token: index for index, token in enumerate(vocabulary)}
    _check(vocabulary, ids, settings)
    tokenizer = Tokenizer(
        models.WordPiece(
            ids,
            unk_token=settings.unknown_token,
            max_input_chars_per_word=settings.max_bytes_per_word,
            continuing_subword_prefix=settings.suffix_indicator,
        )
    )
    steps = [*_normalisation(settings), *_too_long(settings)]
    tokenizer.normalizer = normalizers.Sequence(steps)
    if splits := _splits(settings):
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits)
    tokenizer.decoder = decoders.WordPiece(prefix=settings.suffix_indicator)
    begin, end = SPECIAL["cls_token"], SPECIAL["sep_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} $B:1 {end}:1",
        special_tokens=[(begin, ids[begin]), (end, ids[end])],
    )
    special = [settings.unknown_token, *SPECIAL.values()]
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in special if token in ids]
    )
    tokenizer.encode_special_tokens = True
    return tokenizer


def wordpiece_config(vocabulary: Sequence[str], settings: WordpieceSettings, longest: int) -> Mapping[str, Any]:
    """What `transformers` wants to know of it beside."""
    named = {name: token for name, token in SPECIAL.items() if token in vocabulary}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": longest,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": True,
        "unk_token": settings.unknown_token,
        **named,
    }


def _check(vocabulary: Sequence[str], ids: Mapping[str, int], settings: WordpieceSettings) -> None:
    if len(ids) != len(vocabulary):
        seen: set[str] = set()
        twice = next(token for token in vocabulary if token in seen or seen.add(token))
        raise BackboneError(f'it names the token "{twice}" twice')
    for token in (settings.unknown_token, SPECIAL["cls_token"], SPECIAL["sep_token"], SPECIAL["pad_token"]):
        if token not in ids:
            raise BackboneError(
                f"it lacks the token {token}", fix="name the vocabulary that the model was trained with"
            )


def _normalisation(settings: WordpieceSettings) -> list[Any]:
    from tokenizers import Regex, normalizers

    if settings.tokenizer == "FastWordpieceTokenizer":
        return []
    steps: list[Any] = []
    if settings.lower_case:
        steps += character_steps(folding())
        steps += [normalizers.NFD(), normalizers.Replace(Regex(any_of(members("accents"))), "")]
    elif settings.normalization_form is not None:
        steps.append(getattr(normalizers, settings.normalization_form)())
    return [*steps, normalizers.Replace(Regex(any_of(members("control"))), " ")]


def _splits(settings: WordpieceSettings) -> list[Any]:
    from tokenizers import Regex, pre_tokenizers

    if settings.no_pretokenization:
        return []
    spaces, alone = _boundaries(settings)
    kept = rf"\[unused[0-9]+\]|{any_of(alone)}" if settings.preserve_unused_token else any_of(alone)
    return [
        pre_tokenizers.Split(Regex(f"{any_of(spaces)}+"), "removed"),
        pre_tokenizers.Split(Regex(kept), "isolated"),
    ]


def _boundaries(settings: WordpieceSettings) -> tuple[frozenset[str], frozenset[str]]:
    """What parts words and is dropped, and what is a word by itself."""
    if settings.tokenizer == "BertTokenizer":
        return frozenset("\t\n\f\r "), members("split by BertTokenizer")
    return members("white space"), members("split by FastWordpieceTokenizer")


def _too_long(settings: WordpieceSettings) -> list[Any]:
    """Puts a character that no vocabulary has into words of too many bytes, so that they are unknown.

    `tokenizers` counts characters. In a word of characters of one byte and of characters of *n*, the bytes are the
    characters, and n - 1 for each of the latter: for each number of these there is a number of characters to look for.
    Words with letters of three lengths are found only where two of them suffice.
    """
    from tokenizers import Regex, normalizers

    most = settings.max_bytes_per_word
    inside = "" if settings.no_pretokenization else any_of(frozenset().union(*_boundaries(settings)))[1:-1]
    word = f"[^{inside}]" if inside else r"[\x{0}-\x{10ffff}]"
    found = []
    for width, letters in _WIDTHS.items():
        wide, other = f"[{letters}&&{word}]", f"[^{letters}{inside}]"
        most_wide = most // width + 1
        counts = "|".join(
            f"(?=(?:{other}*+{wide}){{{count}}}){word}{{{max(most + 1 - (width - 1) * count, count)}}}"
            for count in range(most_wide, 0, -1)
        )
        # Fewer characters cannot be too long, were they all as wide; most words end here.
        found.append(f"(?={word}{{{most_wide}}})(?={other}*+{wide})(?={counts})")
    return [normalizers.Replace(Regex(f"(?<!{word})(?:{'|'.join(found)}){word}"), _TOO_LONG)]


_WIDTHS = {2: r"\x{80}-\x{7ff}", 3: r"\x{800}-\x{ffff}", 4: r"\x{10000}-\x{10ffff}"}

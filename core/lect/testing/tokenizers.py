"""Tiny tokenizers for tests, of the kinds that families of models have, built in code."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

Kind = Literal["unigram", "byte-level", "qwen", "sentencepiece"]
"""SentencePiece's unigrams (XLM-R), byte-level BPE (Llama), Qwen's kind of it, SentencePiece's BPE (Gemma, NLLB)."""

MAX_LENGTH = 128
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
_MASK = "<mask>"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?'\"()/&%+=#@-_éèüöäßñçàêîôûåø"
_OTHER_LETTERS = "абвгдежзийклмнопрстуфхцчшщъыьэюяابتثجحخدذرزسشصضطظعغفقكلمنهوي"
_WORDS = (
    "the of and to in a is that it for was on are with as be this have from or by not but what all were we when there "
    "can an your which their said if do will each about how up out them then she many some so these would other into "
    "has more her two like him see time could no make than first been its who now people my made over did down only "
    "way find use may water long little very after words called just where most know good bad day year house city "
    "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena bisa ada mereka lebih kata sangat "
    "query :"
)
_QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_ENDINGS = "s ed ing er est ly tion ment ness able an kan nya ku mu"


def tiny_tokenizer(
    kind: Kind = "unigram",
    *,
    begins: str | None = "<s>",
    ends: str | None = "</s>",
    pads: bool = True,
    languages: Sequence[str] = (),
    behind: str | None = None,
) -> Any:
    """A small fast tokenizer.

    Args:
        begins: the special token put before a text, if any.
        ends: the special token put behind it, if any.
        pads: whether it has a token for padding.
        languages: tokens that stand for languages.
        behind: the one of them that is put behind the end of a text, if any.
    """
    from tokenizers import AddedToken, processors
    from transformers import PreTrainedTokenizerFast

    build = {"unigram": _unigram, "byte-level": _byte_level, "qwen": _qwen, "sentencepiece": _sentencepiece}[kind]
    special = [token for token in _SPECIAL if pads or token != "<pad>"] + [_MASK] * (kind == "unigram")
    for token in (begins, ends, *languages):
        if token is not None and token not in special:
            special.append(token)
    backend = build(special)
    backend.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in special])
    around = [token for token in (begins, ends, behind) if token is not None]
    if around:
        one = " ".join(token for token in (begins, "$A", ends, behind) if token is not None)
        two = " ".join(token for token in (ends, "$B:0", ends and f"{ends}:0") if token is not None)
        backend.post_processor = processors.TemplateProcessing(
            single=one, pair=f"{one} {two}", special_tokens=[(token, backend.token_to_id(token)) for token in around]
        )
    named: dict[str, Any] = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    if pads:
        named["pad_token"] = "<pad>"
    if kind == "unigram":
        named |= {"cls_token": "<s>", "sep_token": "</s>", "mask_token": _MASK}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **named,
        model_max_length=MAX_LENGTH,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def _unigram(special: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    first = [text for text in special if text != _MASK]
    tokens = [(text, 0.0) for text in first] + _tokens() + [(_MASK, 0.0)]
    backend = Tokenizer(models.Unigram(tokens, first.index("<unk>"), False))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    backend.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    return backend


def _byte_level(special: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = _merges(f"Ġ{word}" for word in _WORDS.split())
    vocabulary = _numbered([*special, *alphabet, *("".join(pair) for pair in merges)])
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    backend.decoder = decoders.ByteLevel()
    return backend


def _qwen(special: Sequence[str]) -> Any:
    from tokenizers import Regex, normalizers, pre_tokenizers

    backend = _byte_level(special)
    backend.normalizer = normalizers.NFC()
    words = pre_tokenizers.Split(Regex(_QWEN_WORDS), behavior="isolated", invert=False)
    in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([words, in_bytes])
    return backend


def _sentencepiece(special: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers

    merges = _merges(f"▁{word}" for word in _WORDS.split())
    in_bytes = [f"<0x{value:02X}>" for value in range(256)]
    vocabulary = _numbered([*special, *in_bytes, "▁", *_LETTERS, *("".join(pair) for pair in merges)])
    backend = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return backend


def _merges(words: Iterable[str]) -> list[tuple[str, str]]:
    """Merges that build each word from its first letter on."""
    pairs = ((word[:end], word[end]) for word in words for end in range(1, len(word)))
    return list(dict.fromkeys(pairs))


def _numbered(tokens: Iterable[str]) -> dict[str, int]:
    return {token: index for index, token in enumerate(dict.fromkeys(tokens))}


def _tokens() -> list[tuple[str, float]]:
    ranked = [
        "▁",
        *(f"▁{word}" for word in _WORDS.split() if len(word) > 1),
        *_ENDINGS.split(),
        *_LETTERS,
        *_OTHER_LETTERS,
    ]
    # Zipf's law: what comes first is the most frequent.
    return [(token, -2.0 - math.log(rank)) for rank, token in enumerate(dict.fromkeys(ranked), start=2)]

"""Where the tokenizers of the plugin `tensorflow` give other tokens or places than `tensorflow_text`.

It runs where tensorflow_text is installed, with `core` and `plugins/tensorflow` on the path:

    PYTHONPATH=core:plugins/tensorflow python tests/support/tensorflow_text_parity.py LINES.txt --vocabulary vocab.txt
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

Row = tuple[list[int], list[int], list[int]]
"""Ids, and where each token begins and ends in bytes."""

KINDS = (
    ("BertTokenizer", False),
    ("BertTokenizer", True),
    ("FastBertTokenizer", False),
    ("FastBertTokenizer", True),
    ("FastWordpieceTokenizer", False),
)
_AT_A_TIME = 2000


def reference(kind: str, vocabulary: Sequence[str], **named: Any) -> Callable[[Sequence[str]], list[Row]]:
    """What tensorflow_text gives for texts."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf
    import tensorflow_text

    tf.config.set_visible_devices([], "GPU")
    if kind == "BertTokenizer":
        table = tf.lookup.StaticVocabularyTable(
            tf.lookup.KeyValueTensorInitializer(
                list(vocabulary), range(len(vocabulary)), key_dtype=tf.string, value_dtype=tf.int64
            ),
            num_oov_buckets=1,
        )
        tokenizer = tensorflow_text.BertTokenizer(table, **named)
    else:
        if "lower_case" in named:
            named["lower_case_nfd_strip_accents"] = named.pop("lower_case")
        tokenizer = getattr(tensorflow_text, kind)(list(vocabulary), **named)

    def rows(texts: Sequence[str]) -> list[Row]:
        found = tokenizer.tokenize_with_offsets(tf.constant([text.encode() for text in texts]))
        if kind == "BertTokenizer":
            found = [each.merge_dims(-2, -1) for each in found]
        return list(zip(*(each.to_list() for each in found), strict=True))

    return rows


def ours(tokenizer: Any, kind: str, most: int = 100) -> Callable[[Sequence[str]], list[Row]]:
    """What a tokenizer of `tokenizers` gives, with places as tensorflow_text counts them.

    It counts bytes, ``BertTokenizer`` those of the normalised text, where it ends a word of more than `most` bytes
    behind as many as the unknown token has. ``FastBertTokenizer`` ends a token where the next character begins that
    normalisation leaves: behind accents that it strips, and before a character of which one token has the first half.
    The places of `tokenizers` itself are characters of the text as it was given, from the first to behind the last
    that a token has something of.
    """
    from tokenizers import Tokenizer, normalizers

    # Without the last step, which marks words that are too long.
    normalizer = normalizers.Sequence(list(tokenizer.normalizer)[:-1])
    plain = Tokenizer.from_str(tokenizer.to_str())
    plain.normalizer = list(tokenizer.normalizer)[-1]
    plain.encode_special_tokens = True
    unknown = len(plain.model.unk_token.encode())

    @cache
    def normalised(character: str) -> str:
        return normalizer.normalize_str(character)

    def rows(texts: Sequence[str]) -> list[Row]:
        found = []
        for text in texts:
            encoding = tokenizer.encode(text, add_special_tokens=False)
            if kind == "FastWordpieceTokenizer":
                before = _bytes_before(text)
                found.append((encoding.ids, *_apart((before[a], before[b]) for a, b in encoding.offsets)))
                continue
            text_within = normalizer.normalize_str(text)
            before = _bytes_before(text_within)
            spans = [(before[a], before[b]) for a, b in plain.encode(text_within, add_special_tokens=False).offsets]
            if kind == "BertTokenizer":
                spans = [(a, a + unknown if b - a > most else b) for a, b in spans]
            else:
                sources = [0] * (before[-1] + 1)
                position = source = 0
                for character in text:
                    for _ in normalised(character).encode():
                        sources[position] = source
                        position += 1
                    source += len(character.encode())
                sources[position] = source
                starts = _bytes_before(text)
                spans = [
                    (starts[first], sources[b]) for (first, _), (_, b) in zip(encoding.offsets, spans, strict=True)
                ]
            found.append((encoding.ids, *_apart(spans)))
        return found

    return rows


def _bytes_before(text: str) -> list[int]:
    return [0, *accumulate(len(character.encode()) for character in text)]


def _apart(spans: Iterable[tuple[int, int]]) -> tuple[list[int], list[int]]:
    spans = list(spans)
    return [first for first, _ in spans], [last for _, last in spans]


def differences(
    expected: Callable[[Sequence[str]], list[Row]], found: Callable[[Sequence[str]], list[Row]], texts: Sequence[str]
) -> Iterator[tuple[str, str, Row, Row]]:
    """Each text that they differ on, with what differs (``ids`` or ``places``)."""
    for start in range(0, len(texts), _AT_A_TIME):
        some = texts[start : start + _AT_A_TIME]
        for text, left, right in zip(some, expected(some), found(some), strict=True):
            if list(left[0]) != list(right[0]):
                yield text, "ids", left, right
            elif list(left[1:]) != list(right[1:]):
                yield text, "places", left, right


def reference_pieces(model: bytes) -> Callable[[Sequence[str]], list[Row]]:
    """What `tensorflow_text.SentencepieceTokenizer` gives for texts."""
    import tensorflow as tf
    import tensorflow_text

    tokenizer = tensorflow_text.SentencepieceTokenizer(model)

    def rows(texts: Sequence[str]) -> list[Row]:
        found = tokenizer.tokenize_with_offsets(tf.constant([text.encode() for text in texts]))
        return list(zip(*(each.to_list() for each in found), strict=True))

    return rows


def our_pieces(tokenizer: Any) -> Callable[[Sequence[str]], list[Row]]:
    """What a tokenizer of `tokenizers` gives; a space mark alone at the beginning has no room."""

    def rows(texts: Sequence[str]) -> list[Row]:
        found = []
        for text in texts:
            encoding = tokenizer.encode(text, add_special_tokens=False)
            before = _bytes_before(text)
            spans = [(before[first], before[last]) for first, last in encoding.offsets]
            if encoding.tokens[:1] == ["▁"] and not text.startswith(" "):
                spans[0] = (0, 0)
            found.append((encoding.ids, *_apart(spans)))
        return found

    return rows


def main() -> None:
    """Count the differences of each kind of tokenizer, and show some."""
    from lect_tensorflow.sentencepiece import build_sentencepiece, read_model
    from lect_tensorflow.wordpiece import WordpieceSettings, build_wordpiece

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path)
    parser.add_argument("--vocabulary", type=Path, help="of word pieces")
    parser.add_argument("--model", type=Path, action="append", default=[], help="of SentencePiece")
    parser.add_argument("--shown", type=int, default=3)
    options = parser.parse_args()
    texts = options.texts.read_text(encoding="utf-8").split("\n")

    def count(name: str, expected: Callable[..., list[Row]], found: Callable[..., list[Row]]) -> None:
        counts: Counter[str] = Counter()
        for text, what, left, right in differences(expected, found, texts):
            counts[what] += 1
            if counts[what] <= options.shown:
                print(f"  {what}: {text!a}\n    expected {left}\n    found    {right}")
        print(f"{name}: {len(texts):,} texts, {dict(counts) or 'no difference'}", flush=True)

    for path in options.model:
        model = path.read_bytes()
        tokenizer = build_sentencepiece(read_model(model), ends=None)
        count(path.name, reference_pieces(model), our_pieces(tokenizer))
    for kind, lower_case in KINDS if options.vocabulary else ():
        vocabulary = options.vocabulary.read_text(encoding="utf-8").splitlines()
        named = {"lower_case": True} if lower_case else {}
        tokenizer = build_wordpiece(vocabulary, WordpieceSettings(tokenizer=kind, **named))
        name = f"{kind}{' lower_case' if lower_case else ''}"
        count(name, reference(kind, vocabulary, **named), ours(tokenizer, kind))


if __name__ == "__main__":
    main()

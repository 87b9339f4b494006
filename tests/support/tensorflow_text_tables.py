"""Writes `plugins/tensorflow/lect_tensorflow/characters.txt`: what tensorflow_text makes of each character.

python tests/support/tensorflow_text_tables.py plugins/tensorflow/lect_tensorflow/characters.txt
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
import tensorflow_text

CODES = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
IDEOGRAPHS = [
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
]
"""Those that BertTokenizer has in a list of its own."""


def main() -> None:
    """Look at every character."""
    texts = tf.constant([chr(code).encode() for code in CODES])
    folded = _changed(tensorflow_text.case_fold_utf8(texts))
    decomposed = _changed(tensorflow_text.normalize_utf8(texts, "NFD"))

    def whole_nfd(text: str) -> str:
        return "".join(decomposed.get(character, character) for character in text)

    # What NFD does in any case is left out, but for characters that may be newer than the library that does it.
    table = {c: text for c, text in folded.items() if not text or whole_nfd(text) != whole_nfd(c)}
    table |= {c: text for c, text in decomposed.items() if "\U00010000" <= c < "\U0002f800"}

    punctuation = {code for code in range(0x21, 0x7F) if not chr(code).isalnum()} | set(_matching(texts, r"\p{P}"))
    ideographs = {code for first, last in IDEOGRAPHS for code in range(first, last + 1)}
    words = tensorflow_text.FastWordpieceTokenizer(["[UNK]", "x"])
    between = words.tokenize(tf.constant([f"x{chr(code)}x".encode() for code in CODES])).to_list()
    one = {ord(c): ord(text) for c, text in table.items() if len(text) == 1}
    blocks = {
        "split by BertTokenizer": _runs(punctuation | ideographs),
        "split by FastWordpieceTokenizer": _runs(c for c, ids in zip(CODES, between, strict=True) if ids == [1, 0, 1]),
        "white space": _runs(code for code, ids in zip(CODES, between, strict=True) if ids == [1, 1]),
        "control": _runs(_matching(texts, r"\p{Cc}|\p{Cf}")),
        "accents": _runs(_matching(texts, r"\p{Mn}")),
        "folded to nothing": _runs(ord(c) for c, text in table.items() if not text),
        "folded to one": _mapped_runs(one),
        "folded to more": " ".join(
            f"{ord(c):x}:" + "+".join(f"{ord(each):x}" for each in text)
            for c, text in sorted(table.items())
            if len(text) > 1
        ),
    }
    head = (
        f"# Characters as tensorflow_text {tensorflow_text.__version__} takes them (Unicode 16 in ICU, 15 in RE2);"
        " made by tests/support/tensorflow_text_tables.py.\n"
    )
    wrapped = [
        f"[{name}]\n" + "\n".join(textwrap.wrap(text, 118, break_on_hyphens=False, break_long_words=False)) + "\n"
        for name, text in blocks.items()
    ]
    Path(sys.argv[1]).write_text(head + "".join(wrapped), encoding="ascii")


def _changed(texts: tf.Tensor) -> dict[str, str]:
    pairs = zip(CODES, texts.numpy(), strict=True)
    return {chr(code): text.decode() for code, text in pairs if text.decode() != chr(code)}


def _matching(texts: tf.Tensor, pattern: str) -> list[int]:
    found = tf.strings.regex_full_match(texts, pattern).numpy()
    return [code for code, matches in zip(CODES, found, strict=True) if matches]


def _runs(codes: Iterable[int]) -> str:
    runs: list[list[int]] = []
    for code in sorted(codes):
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return " ".join(f"{first:x}-{last:x}" if last > first else f"{first:x}" for first, last in runs)


def _mapped_runs(table: Mapping[int, int]) -> str:
    """Runs of characters, every one or every second, that are mapped to characters as far from each other."""
    codes, entries, index = sorted(table), [], 0
    while index < len(codes):
        count, step = max((_length(codes, table, index, step), -step) for step in (1, 2))
        step = -step
        first = codes[index]
        span = f"{first:x}" if count == 1 else f"{first:x}-{first + (count - 1) * step:x}" + ("/2" if step == 2 else "")
        entries.append(f"{span}:{table[first]:x}")
        index += count
    return " ".join(entries)


def _length(codes: Sequence[int], table: Mapping[int, int], index: int, step: int) -> int:
    count = 1
    while index + count < len(codes):
        code = codes[index] + count * step
        if codes[index + count] != code or table[code] != table[codes[index]] + count * step:
            break
        count += 1
    return count


if __name__ == "__main__":
    main()

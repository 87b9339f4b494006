"""Tokenizers against what tensorflow_text gave for some hundred hard lines."""

import importlib.util
import itertools
import json
import os
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from tensorflow_text_parity import KINDS, differences, ours, reference
from tokenizers import normalizers

from lect import BackboneError
from lect_tensorflow.sentencepiece import build_sentencepiece, read_model
from lect_tensorflow.wordpiece import WordpieceSettings, build_wordpiece

GOLDEN = Path(__file__).parents[1] / "golden" / "tensorflow" / "text.zip"
with zipfile.ZipFile(GOLDEN) as archive:
    RECORDED = json.loads(archive.read("text.json"))
    MODELS = {kind: archive.read(f"{kind}.model") for kind in ("unigram", "bpe")}
LINES, VOCABULARY = RECORDED["lines"], RECORDED["vocabulary"]
WORDS = [row for row in RECORDED["given"] if "model" not in row]
PIECES = [row for row in RECORDED["given"] if "model" in row]
NEWER = {"\U00011391", "\U00016129"}
"""Characters that joined Unicode after the tables of `tokenizers`, and what they are composed of."""


def settings_of(row):
    return {key: value for key, value in row.items() if key != "rows"}


def is_known(line, settings):
    """Whether docs/backbones.md says that such a line may differ."""
    if form := settings.normalization_form:
        theirs = getattr(normalizers, form)()
        plain = unicodedata.normalize(form, line)
        return theirs.normalize_str(line) != plain or not NEWER.isdisjoint(line) or "\U000113c9" in line
    # A mark that takes room stands behind accents, and is sorted before them.
    return settings.tokenizer == "FastBertTokenizer" and "\u0302\u064e\U0001d165" in line


@pytest.mark.parametrize("row", WORDS, ids=lambda row: " ".join(map(str, settings_of(row).values())))
def test_ids_and_places_of_word_pieces(row):
    settings = WordpieceSettings(**settings_of(row))
    find = ours(build_wordpiece(VOCABULARY, settings), settings.tokenizer, settings.max_bytes_per_word)
    differ = [line for line, *_ in differences(lambda texts: row["rows"], find, LINES)]
    assert [line for line in differ if not is_known(line, settings)] == []
    assert len(LINES) > 240
    assert len(differ) < 8


def is_known_of_pieces(line):
    """Whether docs/backbones.md says that such a line may differ with a map of characters."""
    repeated = any(len(set(line[start : start + 30])) == 1 for start in range(len(line) - 29))
    plain = "".join(unicodedata.normalize("NFKD", character) for character in line)
    classes = [unicodedata.combining(character) for character in plain]
    # NFC sorts marks by their classes.
    return repeated or any(left > right > 0 for left, right in itertools.pairwise(classes)) or "\U000113c9" in line


@pytest.mark.parametrize("row", PIECES, ids=lambda row: row["model"])
def test_ids_of_sentencepiece(row):
    tokenizer = build_sentencepiece(read_model(MODELS[row["model"]]), ends=None)
    differ = [
        line
        for line, (ids, _, _) in zip(LINES, row["rows"], strict=True)
        if tokenizer.encode(line, add_special_tokens=False).ids != ids
    ]
    if row["model"] == "bpe":
        assert differ == []
    assert [line for line in differ if not is_known_of_pieces(line)] == []
    assert len(differ) < 20


FEW = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "x", "##x", "é", "##é", "😀", "##😀"]
TWENTY_BYTES = build_wordpiece(FEW, WordpieceSettings(max_bytes_per_word=20))


@drawn(st.text(st.sampled_from("xé語😀 "), max_size=150))
def test_words_of_too_many_bytes_are_unknown(text):
    ids = TWENTY_BYTES.encode(text, add_special_tokens=False).ids
    words = [word for part in text.split() for word in part.replace("語", " 語 ").split()]
    known = [word for word in words if len(word.encode()) <= 20 and word != "語"]
    # Letters of three lengths in one word are found only where two of them suffice.
    if not any({"é", "😀"} <= set(word) for word in words):
        assert ids.count(1) == len(words) - len(known)
        assert len(ids) == ids.count(1) + sum(map(len, known))


def test_a_text_is_never_taken_for_a_special_token():
    tokenizer = build_wordpiece(VOCABULARY, WordpieceSettings())
    assert [tokenizer.id_to_token(index) for index in tokenizer.encode("[SEP]").ids] == [
        "[CLS]",
        "[",
        "[UNK]",
        "]",
        "[SEP]",
    ]


@pytest.mark.parametrize(
    ("vocabulary", "what"),
    [
        (["[PAD]", "[CLS]", "[SEP]", "a"], r"it lacks the token \[UNK\]"),
        (["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "a"], 'it names the token "a" twice'),
    ],
)
def test_a_vocabulary_that_does_not_do(vocabulary, what):
    with pytest.raises(BackboneError, match=what):
        build_wordpiece(vocabulary, WordpieceSettings())


@pytest.mark.parametrize("data", [b"", b"no model", MODELS["bpe"][:5000], MODELS["bpe"][1:]])
def test_a_file_that_is_no_sentencepiece_model(data):
    with pytest.raises(BackboneError, match="it is no SentencePiece model"):
        read_model(data)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("tensorflow_text") is None, reason="tensorflow_text is not installed")
@pytest.mark.parametrize(("kind", "lower_case"), KINDS)
def test_ids_and_places_beside_tensorflow_text(kind, lower_case):
    lines = LINES
    if named := os.environ.get("LECT_PARITY_LINES"):
        lines = Path(named).read_text(encoding="utf-8").split("\n")
    settings = WordpieceSettings(tokenizer=kind, lower_case=lower_case)
    find = ours(build_wordpiece(VOCABULARY, settings), kind)
    expect = reference(kind, VOCABULARY, **({"lower_case": True} if lower_case else {}))
    differ = [line for line, *_ in differences(expect, find, lines)]
    assert [line for line in differ if not is_known(line, settings)] == []

"""Words and the tokens that speak for them, whatever the tokenizer and the script."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lect.composition.encode import RowEncoder
from lect.composition.model import RoutedModel
from lect.composition.windows import cut_windows
from lect.data.examples import Example
from lect.errors import DataError, RecipeError
from lect.testing.backbones import tiny_backbone
from lect.testing.tokenizers import tiny_tokenizer
from lect_heads.words import split_words, token_of_words, words_of

KINDS = ("unigram", "byte-level", "qwen", "sentencepiece")
TOKENIZERS = {kind: tiny_tokenizer(kind).backend_tokenizer for kind in KINDS}
for tokenizer in TOKENIZERS.values():
    tokenizer.no_padding()
words = st.lists(
    st.one_of(
        st.sampled_from(["house", "Jakarta", "k'i", "好日子", "ߛߣߍ߬", "ஃ", "\u200b", "e\u0301", "…", "ﬁ", "ዓ.ም."]),
        st.text(st.characters(categories=("L", "N", "P", "M")), min_size=1, max_size=6),
    ),
    min_size=1,
    max_size=20,
)


def placed(given_words, spaces):
    text, places = "", []
    for word in given_words:
        places.append((len(text), len(text) + len(word)))
        text += word + (" " if spaces else "")
    return text.rstrip(" "), tuple(places)


@pytest.mark.parametrize("kind", KINDS)
@given(given_words=words, spaces=st.booleans(), limit=st.sampled_from([16, 24, 128]))
def test_every_word_has_a_token_and_one_of_its_own_where_there_is_one(kind, given_words, spaces, limit):
    text, places = placed(given_words, spaces)
    ((*windows,),) = cut_windows(TOKENIZERS[kind], [text], None, "query: ", limit, 5)
    found = token_of_words(places, windows)
    assert len(found) == len(places)
    covered = [(start, end) for window in windows for _, start, end in window.tokens_of_text(0)]
    for (start, end), (row, token) in zip(places, found, strict=True):
        assert 0 <= token < len(windows[row].ids)
        first, last = windows[row].offsets[token]
        if any(min(end, other_end) > max(start, other_start) for other_start, other_end in covered):
            assert windows[row].texts[token] == 0
            assert min(end, last) > max(start, first)
    # Nothing of the text is lost between two rows.
    for before, after in itertools.pairwise(windows):
        assert after.tokens_of_text(0)[0][1] <= before.tokens_of_text(0)[-1][2]
    assert all(len(window.ids) <= limit for window in windows)


def test_a_word_in_two_rows_speaks_from_the_one_where_it_has_more_context():
    text = " ".join(["house"] * 40)
    places = [(start, start + 5) for start in range(0, len(text), 6)]
    ((*windows,),) = cut_windows(TOKENIZERS["unigram"], [text], None, "", 20, 8)
    assert len(windows) > 2
    for row, token in token_of_words(places, windows)[5:-5]:
        inside = len(windows[row].tokens_of_text(0))
        assert min(token, inside - token) >= 4


def test_rows_of_pairs_repeat_the_first_text_and_cut_the_second():
    first, second = "the old house", " ".join(["way", "home"] * 40)
    ((*windows,),) = cut_windows(TOKENIZERS["unigram"], [first], [second], "query: ", 32, 6)
    assert len(windows) > 2
    for window in windows:
        assert [token[1:] for token in window.tokens_of_text(0)] == [
            token[1:] for token in windows[0].tokens_of_text(0)
        ]
    assert windows[0].tokens_of_text(1)[0][1] == 0 and windows[-1].tokens_of_text(1)[-1][2] == len(second)
    (long,) = cut_windows(TOKENIZERS["unigram"], [second], [first], "", 32, 6)
    assert len(long) == 1 and long[0].tokens_of_text(1)[-1][2] == len(first)


def test_rows_that_hold_no_text_are_refused():
    encoder = RowEncoder(RoutedModel(tiny_backbone()), 8)
    with pytest.raises(RecipeError, match=r"training.max_length: rows of 8 tokens have no room for the text; raise it"):
        encoder.windows(["x"], (), ["y"])
    # What was changed for the windows is as before.
    assert len(encoder.tokens(["the old house on the way home"], ())[0].ids) == 8


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
def test_a_text_is_split_into_words_without_losing_a_letter(text):
    found = split_words(text)
    assert [text[start:end] for start, end in found.places] == list(found.words)
    ends = [0, *(end for _, end in found.places)]
    for (start, end), before in zip(found.places, ends, strict=False):
        assert before <= start < end
        assert not any(character.isalnum() for character in text[before:start])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nelson Mandela's day, 27.4.1994!", ["Nelson", "Mandela's", "day", ",", "27.4.1994", "!"]),
        ("k'i ka O-o. (x)", ["k'i", "ka", "O-o", ".", "(", "x", ")"]),
        ("北京 is big", ["北", "京", "is", "big"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("ߛߣߍ߬ ߞߎߘߊ", ["ߛߣߍ߬", "ߞߎߘߊ"]),
        ("हिन्दी है", ["हिन्दी", "है"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
    ],
)
def test_words_are_what_treebanks_have(text, expected):
    assert list(split_words(text).words) == expected


def test_words_that_are_given_without_places_are_found_in_order():
    assert words_of(Example("a b a", words=("a", "b", "a"))).places == ((0, 1), (2, 3), (4, 5))
    with pytest.raises(DataError, match=r'x.txt, line 3: the word "c" is not in the text'):
        words_of(Example("a b", words=("a", "c"), origin="x.txt, line 3"))

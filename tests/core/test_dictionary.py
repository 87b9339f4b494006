"""Dictionaries as mappings, and code-switching with them."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lect import Example
from lect.builtins.dictionaries import DictionaryConfig, read_dictionary
from lect.data.dictionary import Dictionary

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def dictionary(*pairs):
    return Dictionary.of(Example(text, translation=translation) for text, translation in pairs)


def switch(text, *pairs, share=1.0, seed=0):
    return dictionary(*pairs).switch(text, share, random.Random(seed))


def test_capitals_and_marks_stay():
    pairs = [("makan", "pajoh"), ("saya", "lon"), ("i", "ee")]
    assert switch("Saya MAKAN, makan; «Makan»! I", *pairs) == "Lon PAJOH, pajoh; «Pajoh»! Ee"
    assert switch("saya", ("saya", "NASA")) == "NASA"


def test_the_longest_entry_wins_and_marks_break_it():
    pairs = [("terima", "a"), ("terima kasih", "teurimong gaseh"), ("kasih", "b")]
    assert switch("Terima kasih, terima, kasih", *pairs) == "Teurimong gaseh, a, b"
    assert switch("terima  kasih banyak", *pairs) == "teurimong gaseh banyak"


def test_words_with_hyphens_and_apostrophes_are_whole():
    assert switch("anak-anak kan't", ("anak", "x"), ("anak-anak", "aneuk"), ("kan", "y")) == "aneuk kan't"


def test_cycles_end_and_are_counted_with_duplicates():
    pairs = [("a", "b"), ("b", "a"), ("A", "B."), ("c", "c"), ("d", "e"), ("d", "f"), ("...", "x"), ("g", "a")]
    found = dictionary(*pairs)
    assert found.switch("a b c d", 1.0, random.Random(0)) in {"b a c e", "b a c f"}
    assert str(found.counts) == (
        "8 rows, 5 entries (1 with several translations, 1 duplicate rows, 1 translated by themselves, "
        "2 in cycles, 1 rows without words)"
    )


def test_all_translations_are_drawn_and_a_seed_repeats_them():
    pairs = [("d", "e"), ("d", "f"), ("d", "g")]
    drawn = {switch("d", *pairs, seed=seed) for seed in range(40)}
    assert drawn == {"e", "f", "g"}
    text = "d " * 50
    assert switch(text, *pairs, share=0.5, seed=3) == switch(text, *pairs, share=0.5, seed=3)
    replaced = sum(word != "d" for word in switch("d " * 2000, *pairs, share=0.3).split())
    assert 500 < replaced < 700


def test_scripts_may_mix():
    assert switch("hello ߒߞߏ world", ("ߒߞߏ", "nko"), ("world", "ߘߎߢߊ߫")) == "hello nko ߘߎߢߊ߫"


@given(st.text(max_size=40), st.floats(0, 1), st.integers(0, 9))
def test_without_entries_or_share_nothing_changes(text, share, seed):
    assert switch(text, share=share, seed=seed) == text
    assert switch(text, ("a", "b"), share=0.0, seed=seed) == text


@given(
    st.lists(st.tuples(st.text("abc ", max_size=5), st.text("abc ", max_size=5)), max_size=8),
    st.text("abc .", max_size=30),
)
def test_switching_any_dictionary_ends(pairs, text):
    found = dictionary(*pairs)
    found.switch(text, 1.0, random.Random(0))
    assert found.counts.rows == len(pairs)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data in {SHARED}")
def test_the_lexicon_of_nusax():
    found = Dictionary.of(read_dictionary(DictionaryConfig(path="nusax-lexicon/ace/lexicon.csv"), SHARED))
    assert (found.counts.rows, found.counts.entries, found.counts.several) == (1014, 477, 358)
    assert found.switch("Saya tidak suka makanan ini", 1.0, random.Random(0)) != "Saya tidak suka makanan ini"

"""Cleaning: every reason counted once, texts in one form, offsets never moved."""

import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lect import Example
from lect.data.cleaning import REASONS, Cleaning, Counts, clean
from lect.data.examples import Span
from lect.data.scripts import count_scripts, script_share, scripts_of
from lect.errors import DataError


def cleaned(examples, **options):
    counts = Counts()
    return list(clean(examples, Cleaning(**options), counts)), counts


def texts(*texts, language=None):
    return [Example(text, language=language) for text in texts]


def test_every_reason_is_counted_once():
    rows = [
        Example("a good row", translation="eine gute Zeile", language="en"),
        Example("a good row", translation="eine gute Zeile", language="en", key="2", origin="elsewhere"),
        Example("\u200b\x07", translation="nothing is left of it", language="en"),
        Example("brok\ufffdn", translation="kaputt", language="en"),
        Example("a", translation="ein Buchstabe", language="en"),
        Example("x" * 101, translation="y" * 100, language="en"),
        Example("ߒߞߏ ߞߊ߲ hey", translation="gemischt", language="en"),
        Example("12345 :-)", translation="nur Zahlen", language="en"),
        Example("short", translation="a very much longer text than that", language="en"),
    ]
    kept, counts = cleaned(rows, shortest=2, longest=100)
    assert [row.text for row in kept] == ["a good row"]
    assert counts.as_dict() == {
        "rows": 9,
        "kept": 1,
        "broken characters": 1,
        "too short": 2,
        "too long": 1,
        "wrong script": 2,
        "ratio of lengths": 1,
        "duplicate": 1,
    }
    assert str(counts).startswith("1 of 9 rows kept; left out: 1 broken characters, 2 too short")
    assert counts.dropped == 8


def test_texts_come_into_one_form():
    decomposed = unicodedata.normalize("NFD", "café")
    kept, counts = cleaned(texts(decomposed, "a\tb\x07\u2028c", "می‌خواهم", "plain"))
    assert [row.text for row in kept] == ["café", "a b c", "می‌خواهم", "plain"]
    assert counts.as_dict() == {"rows": 4, "kept": 4, "normalised": 1, "control characters": 1}
    assert cleaned(texts(decomposed), normalise="none")[0][0].text == decomposed
    assert cleaned(texts("ﬁne"), normalise="NFKC")[0][0].text == "fine"
    assert cleaned(texts("a\tb"), control=False)[0][0].text == "a\tb"


def test_nothing_but_control_characters_is_empty():
    assert cleaned(texts("\x07\x08"))[1].as_dict() == {"rows": 1, "kept": 0, "empty": 1}


def test_duplicates_are_of_all_that_a_row_says():
    rows = [Example("a", label="x"), Example("a", label="y"), Example("a", label="x", key="k")]
    assert len(cleaned(rows)[0]) == 2
    assert len(cleaned(rows, duplicates=False)[0]) == 3


@pytest.mark.parametrize("more", [{"tags": ("N",)}, {"answers": (Span("a", 1),)}, {"places": ((0, 5),)}])
def test_a_row_with_offsets_is_never_changed(more):
    decomposed = unicodedata.normalize("NFD", "café")
    kept, counts = cleaned([Example(decomposed, **more), Example(decomposed), Example("\ufffd", **more)])
    assert [row.text for row in kept] == [decomposed, "café"]
    assert counts.as_dict() == {"rows": 3, "kept": 2, "normalised": 1, "broken characters": 1}


def test_scripts_of_languages():
    assert scripts_of("nqo") == ("Nkoo",)
    assert scripts_of("jav") == ("Latn",)
    assert scripts_of("ff-Adlm") == ("Adlm",)
    assert scripts_of("ja") == ("Hani", "Hira", "Kana")
    assert script_share("ߒߞߏ abc 123!", ("Nkoo",)) == 0.5
    assert script_share("123", ("Latn",)) == 0
    counts = Counter()
    count_scripts("Hello ߒߞߏ мир 日本 かな ሰላም 12", counts)
    assert counts == {"Latn": 5, "Nkoo": 3, "Cyrl": 3, "Hani": 2, "Hira": 2, "Ethi": 3}


def test_another_script_than_the_likely_one():
    row = texts("ߒߞߏ", language="bam")
    assert not cleaned(row)[0]
    assert cleaned(row, scripts=["Nkoo"])[0]
    assert cleaned(row, script_share=0.0)[0]
    assert cleaned(texts("ߒߞߏ"))[0], "a row of an unknown language is not asked"
    with pytest.raises(ValidationError, match="ISO 15924"):
        Cleaning(scripts=["N'Ko"])


def test_languages_are_identified_where_asked():
    pytest.importorskip("py3langid")
    rows = texts("This is an English sentence about the weather.", "Ini adalah kalimat bahasa Indonesia tentang cuaca.")
    kept, counts = cleaned(rows, not_identified_as=["eng"])
    assert [row.text[:3] for row in kept] == ["Ini"]
    assert counts.as_dict() == {"rows": 2, "kept": 1, "wrong language": 1}
    assert cleaned(rows, identified_as=["en"])[0] == [rows[0]]
    with pytest.raises(DataError, match='does not know "nqo"'):
        cleaned(rows, identified_as=["nqo"])


@given(st.lists(st.text(max_size=12), max_size=12), st.booleans())
def test_counts_add_up_and_cleaning_is_idempotent(lines, duplicates):
    rows = [Example(line, language="en") for line in lines]
    kept, counts = cleaned(rows, duplicates=duplicates, shortest=2)
    left_out = sum(counts.by_reason[reason] for reason in REASONS)
    assert (counts.rows, counts.kept, left_out) == (len(rows), len(kept), len(rows) - len(kept))
    again, counts = cleaned(kept, duplicates=duplicates, shortest=2)
    assert again == kept
    assert set(counts.as_dict()) == {"rows", "kept"}

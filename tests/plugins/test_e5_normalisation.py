"""The normaliser against the plain meaning of the table: every character by itself, whatever stands beside it."""

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import NormalizedString, normalizers

from lect.backbones.charsmap import precompiled_charsmap
from lect_e5.convert import PACKAGED
from lect_e5.packed import PackedModel
from lect_e5.tokenizer import build_normalizer

CHARACTERS = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]


def plain(text, table):
    return re.sub(" {2,}", " ", "".join(table.get(character, character) for character in text))


@pytest.fixture(scope="module")
def table():
    return PackedModel(PACKAGED.find_file()).normalisation


@pytest.fixture(scope="module")
def normalizer(table):
    return build_normalizer(table)


def test_the_table_is_the_one_that_is_meant(table):
    assert len(table) == 4837
    assert table["ﷺ"] == "صلى الله عليه وسلم"
    assert table["\u200b"] == " "
    assert table["\x01"] == ""


@pytest.mark.slow
def test_every_character_alone(table, normalizer):
    wrong = [character for character in CHARACTERS if normalizer.normalize_str(character) != plain(character, table)]
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "½\u0338",  # a mark behind a character of the table
        "ﻻ\u064b ﻻ\u064e\u0651",  # an Arabic ligature with vowel signs
        "a\r\nb",
        "\r\n",
        "\r\n\u0301",
        "\u0600ﻻ\u0600½",  # a sign that joins what follows it
        "각\u11a8 ㄱㅏ ﾡ",  # Hangul syllables and letters
        "👩\u200d👩\u200d👧 ❤\ufe0f🏽",
        "🇮🇩🇮",
        "①\u20dd②\ufe0f",
        "\x01\x02½\x03\u0338\x01",  # characters that map to nothing, at the edges too
        "\x01",
        "",
        "\x00½\x00",
        "\u1100\u1161\u11a8ｱ\uff9e",
        "कि\u094d\u200dष ½\u0903",
        "  \u3000\u00a0 x \u200b\u2009",
    ],
)
def test_characters_that_join_others(text, table, normalizer):
    assert normalizer.normalize_str(text) == plain(text, table)


def rich_characters():
    with_marks = "".join(map(chr, [*range(0x300, 0x370), *range(0x64B, 0x660), 0x20DD, 0x338, 0x903, 0x93F, 0x94D]))
    joining = "\u200d\u200c\ufe0f\u0600\u0605\u06dd\u070f\u08e2\U000110bd\r\n\x00\x01\x1f\x7f"
    hangul = "".join(map(chr, [*range(0x1100, 0x1200, 5), 0xAC00, 0xAC01, 0x3131, 0xFFA1]))
    emoji = "👩👧❤🏽🇮🇩🇨"
    presentation = "".join(map(chr, [*range(0xFB50, 0xFB60), *range(0xFE70, 0xFEFD, 3), 0xFDFA, 0xFC5E]))
    return st.sampled_from(with_marks + joining + hangul + emoji + presentation + "ab  ½①ﬁＡ\u00a0\u3000ｶﾞ")


@given(data=st.data())
def test_random_strings(data, table, normalizer):
    entries = st.sampled_from(sorted(table))
    characters = st.one_of(rich_characters(), entries, st.characters(exclude_categories=["Cs"]))
    text = data.draw(st.text(characters, max_size=12))
    assert normalizer.normalize_str(text) == plain(text, table)


@given(data=st.data())
def test_random_tables(data):
    """Whatever the table, as long as it removes some control character."""
    keys = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
    table = {**data.draw(st.dictionaries(keys, values, max_size=40)), "\x07": ""}
    normalizer = build_normalizer(table)
    mixed = st.one_of(st.sampled_from(sorted(table)), rich_characters())
    text = data.draw(st.text(mixed, max_size=20))
    assert normalizer.normalize_str(text) == plain(text, table)


def test_a_table_that_removes_no_control_character_is_refused():
    with pytest.raises(ValueError, match="removes no control character"):
        build_normalizer({"½": "1⁄2"})


@pytest.mark.parametrize("table", [{"ab": "c"}, {"": "c"}, {"a": "b\0"}, {"\0": "b"}])
def test_what_does_not_fit_into_a_character_map_is_refused(table):
    with pytest.raises(ValueError, match="does not fit"):
        precompiled_charsmap(table)


def test_a_character_map_is_read_by_the_library(table):
    """Without the rest of the normaliser, over characters that stand alone."""
    kept = {character: replacement for character, replacement in table.items() if replacement}
    normalizer = normalizers.Precompiled(precompiled_charsmap(kept))
    assert all(normalizer.normalize_str(character) == replacement for character, replacement in kept.items())
    assert normalizer.normalize_str("unchanged: ߒߞߏ") == "unchanged: ߒߞߏ"


@pytest.mark.parametrize(
    ("text", "token", "original"),
    [
        ("\x01\x01hello ½", "hello", "hello"),
        ("\x01hello ½\u0338 end", "end", "end"),
        ("a\x02½b tail", "tail", "tail"),
        ("ﷺ end", "end", "end"),
        ("ﷺ end", "الله", "ﷺ"),
        ("① ½ x", "1⁄2", "½"),
        ("a\r\nb", "b", "b"),
    ],
)
def test_places_in_the_original_are_kept(text, token, original, normalizer):
    string = NormalizedString(text)
    normalizer.normalize(string)
    start = string.normalized.index(token)
    part = string[start : start + len(token)]
    assert part.normalized == token
    assert part.original == original

"""The language of a text: by the profiles of components, and by an identifier that knows more of them."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_languages import texts_of

from lect.data.examples import Example
from lect.errors import ComponentError
from lect.languages.identify import Identifier
from lect.languages.installed import InstalledIdentifier, load_py3langid
from lect.languages.profiles import LanguageProfile, profile_of, profiles_bytes, read_profiles
from lect.training.language_profiles import profiles_of

LANGUAGES = ("jv", "su", "uk", "nqo")


@pytest.fixture(scope="module")
def profiles():
    return {language: profile_of(language, texts_of(language, 300)) for language in LANGUAGES}


@pytest.fixture(scope="module")
def identifier(profiles):
    return Identifier(profiles.values())


def installed(answer, languages=("en", "fi", "jv")):
    return InstalledIdentifier("other", frozenset(languages), lambda text: answer)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_is_of_the_language_whose_texts_are_like_it(identifier, language):
    found = [identifier(text) for text in texts_of(language, 40, seed=1)]
    assert [each.language for each in found].count(language) >= 39
    assert np.mean([each.probability for each in found]) > 0.9
    assert {each.by for each in found if each.language} == {"profiles"}
    assert sum(share for _, share in found[0].others) + found[0].probability == pytest.approx(1, abs=1e-6)


def test_one_word_in_a_script_of_its_own_is_enough(identifier):
    assert identifier("ߒߞߊ").language == "nqo"
    assert identifier("ߡߐߜߍ, 123!").language == "nqo"


@pytest.mark.parametrize("text", ["", " \n", "12 + 3 = 15", "https://example.org/sing-ora", "🙂🙂"])
def test_what_has_no_letters_is_of_no_language(identifier, text):
    assert identifier(text).language is None and identifier(text).probability == 0


def test_a_text_that_no_profile_has_seen_the_like_of_is_of_none(identifier):
    found = identifier("日本語の文章はどの言葉でもないはずです")
    assert found.language is None and len(found.others) == 3


def test_a_strange_text_is_of_what_an_installed_identifier_says(profiles):
    asked = Identifier(profiles.values(), lambda: installed(("fi", 0.9)))
    found = asked("日本語の文章はどの言葉でもないはずです")
    assert (found.language, found.probability, found.by) == ("fi", 0.9, "other")
    doubtful = Identifier(profiles.values(), lambda: installed(("fi", 0.2)))
    assert doubtful("日本語の文章はどの言葉でもないはずです").language is None


def test_a_text_that_fits_no_profile_may_be_of_its_language_all_the_same_if_an_identifier_says_so(profiles):
    asked = Identifier(profiles.values(), lambda: installed(("jv", 0.8)))
    found = asked("日本語の文章はどの言葉でもないはずです")
    assert (found.language, found.by) == ("jv", "other")


def test_among_languages_with_profiles_these_decide(profiles):
    said_otherwise = Identifier(profiles.values(), lambda: installed(("su", 0.99), ("su", "jv")))
    assert {said_otherwise(text).language for text in texts_of("jv", 20, seed=1)} == {"jv"}
    larger_name = Identifier(
        [LanguageProfile("ary", profiles["jv"].costs, 1)], lambda: installed(("ar", 0.99), ("ar",))
    )
    assert larger_name(texts_of("jv", 1, seed=1)[0]).language == "ary"


def test_where_the_only_profile_is_of_a_language_that_both_know_the_installed_one_is_asked(profiles):
    alone = Identifier([profiles["jv"]], lambda: installed(("en", 0.9)))
    assert alone(texts_of("su", 1, seed=1)[0]).language == "en"
    assert Identifier([profiles["jv"]])(texts_of("jv", 1, seed=1)[0]).language == "jv"


def test_without_profiles_the_installed_identifier_answers_alone():
    found = Identifier((), lambda: installed(("fi", 0.7)))("moi")
    assert (found.language, found.probability) == ("fi", 0.7)
    assert Identifier(())("moi").language is None


def test_an_installed_identifier_is_loaded_when_it_is_first_needed(profiles):
    loaded = []
    asked = Identifier(profiles.values(), lambda: loaded.append(1) or installed(("en", 0.9)))
    for text in texts_of("su", 5, seed=1):
        asked(text)
    before = len(loaded)
    for _ in range(2):
        asked("日本語の文章はどの言葉でもないはずです")
    assert len(loaded) == 1 and before <= 1


def test_several_profiles_of_a_language_are_one(profiles):
    halves = [profile_of("jv", texts_of("jv", 300)[::2]), profile_of("jv", texts_of("jv", 300)[1::2])]
    together = Identifier([*halves, profiles["su"]])
    assert together.languages == ("jv", "su")
    for text in texts_of("jv", 10, seed=1):
        assert together(text).language == "jv"


def test_profiles_are_read_as_they_were_written_and_small(profiles, tmp_path):
    file = tmp_path / "languages.safetensors"
    file.write_bytes(profiles_bytes([profiles["su"], profiles["jv"]]))
    read = read_profiles(file)
    assert [(each.language, each.characters) for each in read] == [
        (tag, profiles[tag].characters) for tag in ("jv", "su")
    ]
    assert all((each.costs == profiles[each.language].costs).all() for each in read)
    assert len(profiles_bytes([profiles["jv"]])) < 50_000
    assert profiles_bytes(()) is None


@pytest.mark.parametrize("spoil", [lambda content: content[:-1], lambda content: b"x" * 100, lambda content: b""])
def test_a_spoilt_file_of_profiles_is_said_in_one_line(profiles, tmp_path, spoil):
    file = tmp_path / "languages.safetensors"
    file.write_bytes(spoil(profiles_bytes([profiles["jv"]])))
    with pytest.raises(ComponentError, match=r"languages\.safetensors"):
        read_profiles(file)


def test_too_few_texts_make_no_profile():
    assert profile_of("jv", ["ora wis"]) is None
    assert profile_of("jv", ["123 "] * 1000) is None


def test_py3langid_is_asked_in_canonical_tags():
    pytest.importorskip("py3langid")
    found = load_py3langid()
    assert {"en", "jv", "ary"} <= found.languages and "zxx" not in found.languages
    assert found.identify("This is a plain English sentence about the weather.")[0] == "en"


def test_training_rows_count_for_the_language_that_they_name_else_for_the_only_one():
    rows = [Example(text, language="jav") for text in texts_of("jv", 100)]
    rows += [Example(text, language="su") for text in texts_of("su", 200)]
    unnamed = [Example(text) for text in texts_of("uk", 100)]

    def found(examples, languages):
        return [each.language for each in profiles_of(examples, languages)]

    assert found([*rows, *unnamed], ()) == ["su", "jv"]
    assert found([*rows, *unnamed], ("uk",)) == ["uk"]
    assert found([*rows, *unnamed], ("jv", "su")) == ["su", "jv"]
    assert found(unnamed, ("uk", "su")) == [] == found(rows[:5], ("jv",))


def test_what_is_in_no_language_by_an_installed_identifier_is_left_to_the_profiles(profiles):
    both = Identifier(profiles.values(), lambda: installed(("und", 0.0)))
    assert both("0 1 2 3 4 5").language in (None, *LANGUAGES)

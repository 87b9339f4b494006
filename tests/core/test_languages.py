"""Language tags: one canonical form, names, and what is said of what is no tag."""

import subprocess
import sys

import pytest

from lect.errors import DataError
from lect.languages.tags import display_name, is_tag, normalise, same_language


@pytest.mark.parametrize(
    ("tag", "canonical"),
    [
        ("jav", "jv"),
        ("jv", "jv"),
        ("IND", "id"),
        ("eng", "en"),
        ("nqo", "nqo"),
        ("nqo-Nkoo", "nqo"),
        ("ff_adlm", "ff-Adlm"),
        ("ind_Latn", "id"),
        (" min ", "min"),
    ],
)
def test_tags_have_one_canonical_form(tag, canonical):
    assert normalise(tag) == canonical
    assert normalise(canonical) == canonical
    assert same_language(tag, canonical)


def test_scripts_tell_languages_apart():
    assert not same_language("ff-Adlm", "ff-Latn")
    assert not same_language("jav", "sun")


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("Bambara", "bm"),
        ("indonesian", "id"),
        (" Javanese ", "jv"),
        ("toba batak", "bbc"),
        ("N'Ko", "nqo"),
        ("Zulu", "zu"),
        ("Brazilian Portuguese", "pt-BR"),
    ],
)
def test_an_english_name_will_do_for_a_tag(name, tag):
    assert normalise(name) == tag
    assert same_language(name, tag)
    assert not is_tag(name)
    assert is_tag(tag)


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("indonesain", '"id"'),
        ("Bamanakan", '"bm"'),
        ("Java", '"jv"'),
        ("Fula (Adlam)", '"ff"'),
        ("Bambra", '"bm"'),
        ("Bambaraa", '"bm"'),
    ],
)
def test_what_is_no_english_name_is_refused_with_the_tag(text, suggestion):
    with pytest.raises(DataError, match="is not a language tag") as refused:
        normalise(text)
    assert suggestion in str(refused.value)
    assert text in str(refused.value)


@pytest.mark.parametrize("tag", ["", "xx", "zz-Zzzz", "a", "en US", "../en", "日本"])
def test_what_is_no_tag_is_refused_in_one_line(tag):
    with pytest.raises(DataError) as refused:
        normalise(tag)
    assert "\n" not in str(refused.value)


def test_display_names_say_language_and_script():
    assert display_name("jav") == "Javanese"
    assert display_name("nqo") == "N'Ko"
    assert display_name("ff-adlm") == "Fula (Adlam)"


@pytest.mark.processes
def test_importing_it_does_not_import_langcodes():
    code = "import lect.languages.tags, sys; sys.exit('langcodes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Language tags: one canonical form, names, and what is said of what is no tag."""

import subprocess
import sys

import pytest

from lect.errors import DataError
from lect.languages import display_name, normalise, same_language


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
    ("tag", "suggestion"),
    [("indonesian", '"id"'), ("Javanese", '"jv"'), ("toba batak", '"bbc"'), ("indonesain", '"id"'), ("N'Ko", '"nqo"')],
)
def test_a_name_that_is_no_tag_is_refused_with_the_tag(tag, suggestion):
    with pytest.raises(DataError, match="is not a language tag") as refused:
        normalise(tag)
    assert suggestion in str(refused.value)
    assert tag in str(refused.value)


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
    code = "import lect.languages, sys; sys.exit('langcodes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

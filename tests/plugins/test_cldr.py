"""The plugin cldr: terms, splits by entity, and what is said of locales that have too few."""

import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from babel import Locale
from pydantic import ValidationError

from lect import Example
from lect.errors import DataError

pytest.importorskip("lect_cldr")

from lect_cldr.reader import CLDR
from lect_cldr.terms import find_locale, locales_with_terms, terms_of

LOCALES = ("nqo", "chr", "ff_Adlm", "sat", "am", "yo", "jv")


def read(locale: str, **options: object) -> list[Example]:
    return list(CLDR.read(CLDR.config(locale=locale, **options), Path()))


def test_nko_has_about_910_terms():
    rows = read("nqo")
    assert 880 <= len(rows) <= 940
    by_key = {row.key: row for row in rows}
    assert by_key["language:nqo"].translation == "N’Ko"
    assert by_key["language:nqo"].text == "ߒߞߏ"
    assert by_key["script:Nkoo"].translation == "N’Ko"
    assert {row.key.partition(":")[0] for row in rows} == {"territory", "language", "script", "currency"}
    assert all(row.language == "nqo" and row.label is None for row in rows)
    assert by_key["territory:011"].origin == "CLDR nqo, territory:011"


@pytest.mark.parametrize("locale", LOCALES)
def test_terms_are_the_locales_own(locale):
    rows = read(locale)
    assert len({row.key for row in rows}) == len(rows)
    for row in rows:
        assert row.text == row.text.strip() != ""
        assert row.text not in (row.translation, row.key.partition(":")[2])
    for kind, texts in texts_by_kind(rows).items():
        assert max(Counter(texts).values()) == 1, kind


def texts_by_kind(rows: list[Example]) -> dict[str, list[str]]:
    texts = defaultdict(list)
    for row in rows:
        texts[row.key.partition(":")[0]].append(row.text)
    return texts


def test_texts_are_what_babel_says():
    spoken = Locale.parse("yo")
    for row in read("yo"):
        kind, code = row.key.split(":")
        table = {"territory": "territories", "language": "languages", "script": "scripts", "currency": "currencies"}
        assert getattr(spoken, table[kind])[code].strip() == row.text


@pytest.mark.processes
def test_reading_a_locale_leaves_babels_own_view_of_it_whole():
    code = (
        "from lect_cldr.terms import locales_with_terms; locales_with_terms(1)\n"
        "from babel import Locale; print(Locale.parse('de_AT').territories['DE'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("Deutschland")


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("form", ["parallel", "labelled"])
def test_parts_share_no_entity_no_translation_and_no_text(locale, form):
    train, test = (read(locale, part=part, form=form) for part in ("train", "test"))
    whole = {row.key for row in read(locale, form=form)}
    for of in ("key", "translation", "text"):
        held_out = {getattr(row, of) for row in test} - {None}
        assert not held_out & {getattr(row, of) for row in train}
    assert {row.key for row in [*train, *test]} <= whole
    # A test term spelt like a training term is the only one that goes missing.
    assert len(whole) - len(train) - len(test) < 10
    assert 0.15 < len(test) / len(whole) < 0.25


def test_the_split_is_the_same_in_every_locale():
    sides: dict[str, set[str]] = defaultdict(set)
    for locale in ("en", *LOCALES):
        for part in ("train", "test"):
            for row in read(locale, part=part):
                sides[row.key].add(part)
    assert set(map(len, sides.values())) == {1}


def test_kinds_do_not_move_an_entity_to_the_other_part():
    alone = {row.key for row in read("nqo", part="test", kinds=["scripts"], minimum=50)}
    assert alone
    assert alone <= {row.key for row in read("nqo", part="test")}


def test_seed_and_share_decide_the_split():
    assert read("nqo", part="test") == read("nqo", part="test")
    first, second = ({row.key for row in read("nqo", part="test", seed=seed)} for seed in (0, 1))
    assert 0 < len(first & second) < len(first)
    half = {row.key for row in read("nqo", part="test", test_share=0.5)}
    assert first < half


def test_labelled_terms_have_one_right_label():
    for locale in ("en", "nqo", "chr"):
        rows = read(locale, form="labelled")
        labels = defaultdict(set)
        for row in rows:
            labels[row.text].add(row.label)
            assert row.translation is None
            assert row.label == row.key.partition(":")[0]
        assert set(map(len, labels.values())) == {1}
    texts = {row.text for row in read("en", form="labelled")}
    # Both a language and a script.
    assert "Cherokee" not in texts
    assert "Cherokee" in {row.text for row in read("en")}


def test_english_terms_are_their_own_translations():
    rows = read("en")
    assert len(rows) > 1400
    assert all(row.text == row.translation for row in rows)


@pytest.mark.parametrize(
    ("tag", "locale"),
    [
        ("nqo", "nqo"),
        ("NQO", "nqo"),
        ("nqo-Nkoo", "nqo"),
        ("ff-Adlm", "ff_Adlm"),
        ("ff_adlm", "ff_Adlm"),
        ("jav", "jv"),
        ("amh", "am"),
        ("zh-hant-HK", "zh_Hant_HK"),
    ],
)
def test_locales_are_found_by_any_of_their_tags(tag, locale):
    assert find_locale(tag) == locale
    assert {row.language for row in read(tag)} == {row.language for row in read(locale)}


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("nqoo", 'no locale "nqoo" in CLDR; did you mean "nqo"?'),
        ("cherokee", 'did you mean "chr"?'),
        ("N'Ko", 'did you mean "nqo"?'),
        ("min", 'CLDR has no locale "min", Minangkabau; name a locale such as'),
        ("", "name a locale such as"),
        ("../root", "no locale"),
        ("root", "no locale"),
    ],
)
def test_an_unknown_locale_is_refused(locale, said):
    with pytest.raises(DataError) as refused:
        read(locale)
    assert said in str(refused.value)


def test_too_few_terms_are_refused_with_the_count_and_with_locales_that_have_enough():
    count = len(terms_of("su"))
    assert 0 < count < 200
    with pytest.raises(DataError) as refused:
        read("su")
    message = str(refused.value)
    assert f'locale "su" has only {count} terms of its own' in message
    assert "at least 200 are needed" in message
    assert "nqo, chr" in message
    assert "\n" not in message
    assert len(read("su", minimum=count)) == count


def test_a_locale_that_inherits_its_terms_is_sent_to_its_parent():
    with pytest.raises(DataError, match=r'has only 0 terms of its own .*; take "yo", from which it inherits'):
        read("yo-NG")


def test_too_few_terms_of_a_kind_count_that_kind():
    with pytest.raises(DataError, match=r"has only \d\d? terms of its own \(scripts\)"):
        read("chr", kinds=["scripts"])


def test_locales_with_enough_terms():
    found = locales_with_terms(900)
    assert {"nqo", "chr", "sat", "en"} <= set(found)
    assert found["nqo"] == len(terms_of("nqo"))
    assert min(found.values()) >= 900
    assert "jv" not in found


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"locale": "nqo", "part": "dev"},
        {"locale": "nqo", "kinds": []},
        {"locale": "nqo", "kinds": ["cities"]},
        {"locale": "nqo", "test_share": 1},
        {"locale": "nqo", "x": 1},
    ],
)
def test_wrong_configurations_are_refused(wrong):
    with pytest.raises(ValidationError):
        CLDR.config(**wrong)


@pytest.mark.processes
def test_registering_imports_neither_torch_nor_babel():
    code = (
        "import sys, lect_cldr.plugin as plugin; assert plugin.lect_register_readers()[0].name == 'cldr'\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'babel', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

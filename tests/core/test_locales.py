"""Pages in their readers' languages: catalogues that are whole, and what chooses among them."""

from __future__ import annotations

import string
from dataclasses import replace

import catalogues
import polib
import pytest

from lect.errors import UserError
from lect.evaluation.report import EvaluationReport, Score, Variant
from lect.locales import ENGLISH, best_locale, find_locale, tags_of

CATALOGUES = [file for package in catalogues.PACKAGES for file in catalogues.catalogues_of(package)]
ASKED = ("LECT_LOCALE", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture
def environment(monkeypatch):
    """Sets what a reader's environment says, and nothing else."""

    def says(**values):
        for name in ASKED:
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return says


def fields(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def tags(text):
    return sorted(part.partition(">")[0] for part in text.split("<")[1:] if ">" in part)


@pytest.fixture(scope="module", params=catalogues.PACKAGES, ids=lambda package: package.name)
def package(request):
    return request.param, catalogues.messages_of(request.param)


def test_every_catalogue_has_every_message_and_no_other(package):
    folder, said = package
    assert len(said) > 100
    assert [file.stem for file in catalogues.catalogues_of(folder)] == ["fr", "id", "sw"]
    for file in catalogues.catalogues_of(folder):
        held = polib.pofile(str(file))
        fix = f"{file.name}: run python tests/support/catalogues.py and translate what is new"
        assert {(each.msgid, each.msgid_plural) for each in held} == set(said), fix
        assert [each.msgid for each in held if not each.translated() or each.fuzzy or each.obsolete] == [], fix


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: f"{file.parts[-4]}-{file.stem}")
def test_translations_fill_in_what_the_messages_do_and_are_compiled(file):
    held = polib.pofile(str(file))
    forms = int(held.metadata["Plural-Forms"].partition("nplurals=")[2].partition(";")[0])
    for each in held:
        plural = each.msgid_plural
        assert not plural or len(each.msgstr_plural) == forms, each.msgid
        for text in each.msgstr_plural.values() if plural else [each.msgstr]:
            assert text.strip() and tags(text) == tags(plural or each.msgid), each.msgid
            # "The one language" may be said without the number.
            allowed = {"count"} if plural else set()
            assert fields(text) - allowed == fields(plural or each.msgid) - allowed, each.msgid
    compiled = polib.mofile(str(file.with_suffix(".mo")))
    entry = {each.msgid: (each.msgstr, each.msgstr_plural) for each in held}
    assert {each.msgid: (each.msgstr, each.msgstr_plural) for each in compiled} == entry
    assert {name: compiled.metadata[name] for name in ("X-Name", "X-Number")} == {
        name: held.metadata[name] for name in ("X-Name", "X-Number")
    }


def test_the_environment_is_gone_through_as_gettext_does(environment):
    environment()
    assert find_locale() == ENGLISH
    environment(LANG="fr_CA.UTF-8")
    assert find_locale().tag == "fr"
    environment(LANG="fr_FR.UTF-8", LC_ALL="C")
    assert find_locale() == ENGLISH
    environment(LANG="fr_FR.UTF-8", LANGUAGE="jv:id:en")
    assert find_locale().tag == "id"
    environment(LANG="fr_FR.UTF-8", LECT_LOCALE="sw")
    assert find_locale().tag == "sw"
    assert find_locale("fr").tag == "fr"


def test_a_language_without_a_catalogue_is_named_with_those_that_have_one():
    with pytest.raises(UserError, match=r'^locale "jv": pages are not in this language; take en, fr, id or sw'):
        find_locale("jv")
    assert best_locale(["jv", "en-GB"]) == ENGLISH and best_locale(["jv"]) is None


def test_numbers_and_plurals_are_those_of_the_language():
    french, indonesian = find_locale("fr"), find_locale("id")
    assert french.format(1234.5, ",.1f") == "1\N{NARROW NO-BREAK SPACE}234,5"
    assert indonesian.format(1234.5, ",.1f") == "1.234,5"
    assert ENGLISH.format(1234.5, ",.1f") == "1,234.5"
    assert [french.ngettext("{count} row", "{count} rows", count) for count in (0, 1, 2)] == [
        "0 ligne", "1 ligne", "2 lignes",
    ]  # fmt: skip
    assert [ENGLISH.ngettext("{count} row", "{count} rows", count) for count in (0, 1, 2)] == [
        "0 rows", "1 row", "2 rows",
    ]  # fmt: skip


def test_what_is_filled_in_is_not_read_as_a_message():
    assert find_locale("fr").gettext("without {part}", part="{0.__class__} {") == "sans {0.__class__} {"


def test_a_package_brings_catalogues_of_its_own_and_may_be_written_from_right_to_left(tmp_path, monkeypatch):
    folder = tmp_path / "pages_of_ours" / "locales"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    made = polib.POFile()
    made.metadata = {
        "Content-Type": "text/plain; charset=UTF-8",
        "Plural-Forms": "nplurals=1; plural=0;",
        "X-Name": "ߒߞߏ",
        "X-Number": "1,234.5",
        "X-Direction": "rtl",
    }
    made.append(polib.POEntry(msgid="a text", msgstr="ߛߓߍߟߌ"))
    made.save_as_mofile(str(folder / "nqo.mo"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert tags_of("pages_of_ours") == ["en", "nqo"]
    found = find_locale("nqo", "pages_of_ours")
    assert (found.direction, found.name, found.gettext("a text")) == ("rtl", "ߒߞߏ", "ߛߓߍߟߌ")
    assert found.for_scripts() == {"messages": {"a text": "ߛߓߍߟߌ"}, "plural": [0] * 200}


def test_scripts_get_the_plural_forms():
    given = find_locale("fr", "lect_serve.page").for_scripts()
    assert given["messages"]["{count} text"] == ["{count} texte", "{count} textes"]
    assert given["plural"][:3] == [0, 0, 1]


REPORT = EvaluationReport(
    title="task:mood",
    dataset="csv: <test>.csv",
    rows=1200,
    backbone="tiny",
    main="macro_f1",
    variants=(Variant("task:mood", (Score("macro_f1", 0.8125, 0.75, 0.875),)),),
    remarks=("ߒߞߏ was left out",),
)


def test_a_page_speaks_its_readers_language_and_nothing_else_does(environment):
    plain = REPORT.to_html("en"), REPORT.to_markdown(), REPORT.to_json(), repr(REPORT)
    environment(LECT_LOCALE="fr")
    page = REPORT.to_html()
    assert page == REPORT.to_html("fr")
    assert '<html lang="fr" dir="ltr">' in page
    assert "81,2 [75,0\N{NO-BREAK SPACE}; 87,5]" in page and "1\N{NARROW NO-BREAK SPACE}200 lignes" in page
    assert "csv: &lt;test&gt;.csv" in page and '<p lang="" dir="auto">ߒߞߏ was left out</p>' in page
    assert (REPORT.to_html("en"), REPORT.to_markdown(), REPORT.to_json(), repr(REPORT)) == plain
    assert '<html lang="en" dir="ltr">' in plain[0] and "1,200 rows" in plain[0]
    assert 'lang="fr"' in REPORT._repr_html_()
    with pytest.raises(UserError, match="pages are not in this language"):
        replace(REPORT).to_html("xx")

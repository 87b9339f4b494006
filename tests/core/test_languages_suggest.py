"""Components near a language that has none: how they are ranked, and what `lang:auto` takes."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from lect.commands.app import app
from lect.errors import StackError
from lect.languages import relations as languages_relations
from lect.languages.relations import distance, facts_of, family_likeness, script_likeness
from lect.selection.donors import resolve_auto, suggest, token_likeness
from lect.storage.manifest import HeadEntry

qq = pytest.importorskip("qq")


@pytest.fixture
def library(new_bench):
    """Languages of Indonesia, one in Arabic script, and one from elsewhere."""
    bench = new_bench()
    for name, tag in (("min", "min"), ("sun", "su"), ("bam", "bm"), ("uyghur", "ug")):
        bench.write(f"lang:{name}", manifest={"languages": (tag,)})
    bench.write("task:mood", manifest={"languages": ("id",), "head": HeadEntry(kind="classification")})
    return bench.library


@pytest.mark.slow
def test_what_is_nearer_by_descent_and_place_comes_first(library):
    found = suggest("bjn", library)
    assert [each.key for each in found] == ["lang:min", "lang:sun", "lang:bam", "lang:uyghur"]
    nearest, furthest = found[0], found[-1]
    assert nearest.likeness["family"] == pytest.approx(2 * 5 / (8 + 8 + 2))
    assert (nearest.likeness["script"], furthest.likeness["script"]) == (1.0, 0.0)
    assert nearest.score == pytest.approx(sum(nearest.likeness.values()) / 3)


@pytest.mark.slow
def test_the_language_itself_is_nearest_of_all(library):
    assert (suggest("min", library)[0].key, suggest("min", library)[0].score) == ("lang:min", 1.0)
    assert suggest("su", library)[0].key == "lang:sun"


@pytest.mark.slow
def test_facts_are_of_the_database():
    banjar, minangkabau, bambara = map(facts_of, ("bjn", "min", "bm"))
    assert family_likeness(banjar, bambara) == 0.0
    assert 1500 < distance(banjar, minangkabau) < 2000
    assert script_likeness(facts_of("ff-Adlm"), facts_of("ff")) == 0.0
    assert distance(banjar, facts_of("nqo")) is None


def test_without_the_database_scripts_remain(monkeypatch, library):
    monkeypatch.setattr(languages_relations, "language_database", lambda: None)
    assert "pip install lect[languages]" in languages_relations.source()
    assert {each.key: each.likeness for each in suggest("bjn", library)} == {
        "lang:min": {"script": 1.0},
        "lang:sun": {"script": 1.0},
        "lang:bam": {"script": 1.0},
        "lang:uyghur": {"script": 0.0},
    }


@pytest.mark.slow
def test_texts_are_compared_by_tokens_and_vectors(new_bench, library):
    bench = new_bench()
    texts = ["the city of the day", "and the house"]
    samples = {"lang:min": ["the city of the day", "and the house"], "su": ["съешь ещё"]}
    found = {each.key: each for each in suggest("bjn", library, texts=texts, samples=samples, backbone=bench.backbone)}
    assert found["lang:min"].likeness["pieces"] == pytest.approx(1)
    assert found["lang:min"].likeness["vectors"] == pytest.approx(1)
    assert found["lang:sun"].likeness["pieces"] < 0.5 and found["lang:sun"].likeness["vectors"] < 0.99
    assert "pieces" not in found["lang:bam"].likeness
    assert token_likeness(bench.backbone, ["the the and"], ["the"]) == pytest.approx(2 / 3)


def test_lang_auto_takes_the_nearest_or_several_in_equal_shares(library):
    assert resolve_auto("lang:auto + task:mood", "bjn", library)[0] == "lang:min + task:mood"
    stack, taken = resolve_auto("0.5*lang:auto + task:mood", "bjn", library, nearest=2)
    assert stack == "0.5*avg(lang:min, lang:sun) + task:mood"
    assert [each.key for each in taken] == ["lang:min", "lang:sun"]
    assert resolve_auto("lang:min", None, library) == ("lang:min", ())


def test_lang_auto_needs_a_language_and_something_near_it(library, tmp_path):
    from lect.storage.library import Library

    with pytest.raises(StackError, match="lang:auto needs to know the language of the texts; add --language"):
        resolve_auto("lang:auto", None, library)
    with pytest.raises(StackError, match='no component of the library is near "bjn"'):
        resolve_auto("lang:auto", "bjn", Library((tmp_path / "none",)))


def test_the_command_says_how_it_ranked(library):
    folder = str(library.folders[0])
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["languages", "suggest", "bjn", "--components", folder])
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].strip() == "Near Banjar"
    assert lines[1].split() == ["component", "language", "score", "family", "place", "script"]
    assert lines[3].split()[:2] == ["lang:min", "Minangkabau"]
    assert "Ranked by the mean of family, place, script. Source: qwanqwa" in result.stdout
    as_json = CliRunner().invoke(app, ["languages", "suggest", "bjn", "--components", folder, "--json"])
    assert json.loads(as_json.stdout)["components"][0]["component"] == "lang:min"
    by_name = CliRunner().invoke(app, ["languages", "suggest", "banjar", "--components", folder, "--json"])
    assert by_name.stdout == as_json.stdout
    refused = CliRunner().invoke(app, ["languages", "suggest", "banjaresse", "--components", folder])
    assert refused.exit_code == 1 and "is not a language tag" in refused.stderr

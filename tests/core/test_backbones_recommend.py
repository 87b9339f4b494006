"""Which backbone for a language: measured where a model is here, and said where it is not."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from lect.commands.app import app
from lect.errors import BackboneError, UserError
from lect.host import Host
from lect.languages.tags import normalise
from lect.selection.known import KNOWN
from lect.selection.recommend import bytes_of, cut_of, recommend, training_memory
from lect.testing.backbones import save_tiny_backbone, tiny_backbone


@pytest.fixture(scope="module")
def host():
    return Host.load(only=(), tolerant=True)


def test_the_text_is_cut_by_each_tokenizer():
    cut = cut_of(tiny_backbone("xlm-roberta"), ["the city", "漢 the"])
    assert cut.per_word == pytest.approx(5 / 4)
    assert cut.unknown == pytest.approx(1 / 5)


def test_those_that_know_the_text_come_first(tmp_path, host):
    names = [str(save_tiny_backbone(tmp_path / family, family)) for family in ("xlm-roberta", "llama")]
    ranked, passed = recommend(["the city of the day"], host, also=names)
    assert passed == ()
    assert ranked[0].name == names[0] and ranked[0].here and ranked[0].against == ()
    decoder = next(each for each in ranked if each.name == names[1])
    assert decoder.against == ("reads as a decoder",)
    ranked, _ = recommend(["漢字 漢字"], host, also=names)
    first = next(each for each in ranked if each.name == names[0])
    assert "it needs new tokens (method vocabulary)" in first.against[0]


def test_what_is_not_here_is_listed_and_said_not_to_be_measured(host):
    ranked, _ = recommend(["teks"], host, language="bam", task="retrieval", memory=10**9)
    by_name = {each.name: each for each in ranked}
    assert set(by_name) == {model.id for model in KNOWN}
    base = by_name["FacebookAI/xlm-roberta-base"]
    assert base.cut is None and base.work is None and not base.here
    assert base.against == (
        "needs more memory than there is",
        "was not trained on the language",
        "gives no sentence vectors without training",
        "not measured offline",
    )
    assert by_name["cis-lmu/glot500-base"].covered is None


def test_every_language_of_the_table_is_one():
    for model in KNOWN:
        tags = model.languages.split()
        assert all(normalise(tag) for tag in tags)
        assert len(set(tags)) == len(tags) <= model.count
        assert model.embedding < model.parameters


def test_memory_is_read_and_estimated():
    assert (bytes_of("4GB"), bytes_of("1.5 mb"), bytes_of("2GiB")) == (4 * 10**9, 1_500_000, 2**31)
    with pytest.raises(UserError, match='"much" is no amount of memory'):
        bytes_of("much")
    assert training_memory(10, 0, 64) == 40


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_PLUGINS", "")
    folder = str(save_tiny_backbone(tmp_path / "tiny", "bert"))
    (tmp_path / "text.txt").write_text("the city\nof the day\n", "utf-8")
    options = ["backbones", "recommend", "--text", str(tmp_path / "text.txt"), "--candidate", folder]
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, options)
    assert result.exit_code == 0, result.stderr
    assert max(map(len, result.stdout.splitlines()[:3])) <= 80
    ranked = json.loads(CliRunner().invoke(app, [*options, "--json"]).stdout)
    assert ranked[0]["name"] == folder and ranked[0]["cut"]["unknown"] == 0
    wrong = CliRunner().invoke(app, [*options, "--task", "tagging?"])
    assert wrong.exit_code == 1 and 'did you mean "tagging"?' in wrong.stderr


def test_a_candidate_that_is_none_is_an_error(host):
    with pytest.raises(BackboneError, match="there is no folder"):
        recommend(["a"], host, also=["./nothing here"])

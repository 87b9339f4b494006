"""`lect demo`, as a user sees it; on a small model with a fraction of the training."""

from __future__ import annotations

import json

import pytest
from small_backbones import shallow_backbones, small_backbones
from typer.testing import CliRunner

from lect.storage.manifest import read_manifest


def demo(*arguments: str):
    from lect.commands.app import app

    return CliRunner().invoke(app, ["demo", *arguments])


@pytest.fixture
def short(tmp_path, monkeypatch):
    """The demo in an empty folder, each part trained for the steps given."""
    from lect.demo import story

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    whole = story._values

    def shorten(**steps: int) -> None:
        def values(file):
            recipe = whole(file)
            del recipe["training"]["epochs"]
            recipe["training"]["steps"] = steps[file.removesuffix(".toml")]
            return recipe

        monkeypatch.setattr(story, "_values", values)

    return shorten


def figures(folder):
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return {
        kind: {variant["label"]: variant["scores"][0]["value"] for variant in report[kind]["variants"]}
        for kind in ("retrieval", "task")
    }


@pytest.mark.slow
def test_a_language_in_an_unknown_script(short, tmp_path, monkeypatch):
    """On the first layers of `e5-small`, where new embeddings that start from their translations' are of use."""
    short(language=46, task=4)
    shallow_backbones(tmp_path / "cache")
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    result = demo()
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert max(map(len, (line for line in lines if not line.startswith("  lect")))) <= 80
    assert "49% of the tokens that e5-small cuts N'Ko into are unknown to it." in result.stdout
    scores = figures(tmp_path / "lect-demo")
    # Some bits of the English names are there at once: new embeddings start from their translations'.
    assert scores["retrieval"]["lang:nqo"] > 0.1 > 0.02 > scores["retrieval"]["bare backbone"]
    assert set(scores["task"]) >= {"lang:nqo + task:kind", "without lang:nqo"}
    components = tmp_path / "lect-demo/components"
    language = read_manifest(components / "lang/nqo/component.toml")
    assert language.methods == ("vocabulary", "bottleneck") and language.own_tokenizer
    assert "| own tokenizer | yes |" in (components / "lang/nqo/README.md").read_text(encoding="utf-8")

    # The commands that it names run as they stand.
    for line in lines:
        if line.startswith(("  lect predict", "  lect eval")):
            import shlex

            from lect.commands.app import app

            tried = CliRunner().invoke(app, shlex.split(line)[1:])
            assert tried.exit_code == 0, tried.stderr


@pytest.mark.slow
def test_a_language_whose_script_is_known_gets_no_tokens(short, tmp_path, monkeypatch):
    """On a tiny model in the place of `e5-small`."""
    short(language=2, task=2)
    small_backbones(tmp_path / "cache")
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    result = demo("--language", "id", "--folder", "another", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == json.loads((tmp_path / "another/report.json").read_text(encoding="utf-8"))
    assert read_manifest(tmp_path / "another/components/lang/id/component.toml").methods == ("bottleneck",)


@pytest.mark.parametrize(
    ("language", "said"),
    [("gsw-LI", "has only"), ("nqoo", 'did you mean "nqo"?'), ("zz", "no locale"), ("en-GB", "has only")],
)
def test_a_locale_that_will_not_do_is_refused_before_anything_is_done(tmp_path, monkeypatch, language, said):
    monkeypatch.chdir(tmp_path)
    result = demo("--language", language)
    assert result.exit_code == 1
    assert said in result.stderr and "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []

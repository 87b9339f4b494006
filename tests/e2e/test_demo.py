"""`lect demo`, as a user sees it; on a small model with a fraction of the training. `.ci/release` runs it whole."""

from __future__ import annotations

import json

import pytest
from small_backbones import small_backbones
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

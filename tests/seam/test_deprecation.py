"""Nothing that users or plugins hold on to goes before a release has said so, and goes when it was said to."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
import surface
from typer.testing import CliRunner

import lect
from lect.commands.app import app
from lect.deprecation import deprecation_of
from lect.versions import __version__, order

SENTENCE = "Deprecated since 0.1.0, gone in 9.0.0: use something else."


@pytest.fixture(scope="module")
def present():
    return surface.surface()


def vanished(before, now, version):
    """Of what a release had, what is no longer there though it did not say that it would not be."""
    ends = {name: deprecation_of(told) for name, told in before.items()}
    return [name for name, told in ends.items() if name not in now and (not told or order(told.until) > order(version))]


def overdue(now, version):
    """What is deprecated in a way that does not hold in this version, and why."""
    found = {name: deprecation_of(told) for name, told in now.items() if told}
    return {name: "says it otherwise" if told is None else why for name, told in found.items()
            if told is None or (why := told.problem(version))}  # fmt: skip


def test_what_a_release_had_is_there_until_its_deprecation_ends(present):
    assert __version__ in surface.recorded(), "python tests/support/surface.py writes it"
    for version, before in surface.recorded().items():
        gone = vanished(before, present, __version__)
        assert gone == [], f"of {version}: deprecate it first (lect.deprecation); if it was never released, record anew"


def test_what_was_to_go_has_gone(present):
    assert overdue(present, __version__) == {}


def test_pages_say_what_is_deprecated(present):
    page = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text("utf-8")
    assert [name for name, told in present.items() if name.startswith("hook") and told and told not in page] == []


def test_the_version_is_that_of_the_distribution():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    assert re.search(r'^version = "(.+)"$', text, re.MULTILINE)[1] == __version__


@pytest.mark.parametrize(
    ("told", "version", "gone", "late"),
    [
        ("", "0.3.0", True, False),
        ("Deprecated since 0.1.0, gone in 0.3.0: use b.", "0.2.0", True, False),
        ("Deprecated since 0.1.0, gone in 0.3.0: use b.", "0.3.0", False, True),
        ("Deprecated since 0.1.0, gone in 0.2.0: use b.", "0.1.0", True, True),
        ("Deprecated since 0.1.0, gone in 1.0.0: use b.", "0.9.0", True, False),
        ("Deprecated.", "0.1.0", True, True),
    ],
)
def test_both_would_be_seen(told, version, gone, late):
    assert vanished({"a": told}, {}, version) == (["a"] if gone else [])
    assert list(overdue({"a": told}, version)) == (["a"] if late else [])


def test_a_name_of_python_warns_where_it_is_used(monkeypatch):
    monkeypatch.setitem(lect._DEPRECATED, "DECODER", SENTENCE)
    with pytest.warns(DeprecationWarning, match="^lect.DECODER: Deprecated since 0.1.0") as caught:
        lect.DECODER  # noqa: B018
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lect.FAMILIES  # noqa: B018


PLUGIN = f"""
from typing import Annotated, Any
import typer
from pydantic import Field

class Rows(Config):
    path: str
    old: int | None = Field(None, deprecated="{SENTENCE}")

@hookimpl
def lect_register_readers():
    return [ReaderSpec("rows", "rows of a file", Rows, lambda config, folder: ())]

def load():
    app = typer.Typer()

    @app.command()
    def act(times: Annotated[int, typer.Option(help="{SENTENCE} How often.")] = 1) -> None:
        "{SENTENCE} Does it."
        print("done", times)

    @app.command()
    def other() -> None:
        "Does something else."

    return app

@hookimpl
def lect_register_commands():
    return [CommandSpec("act", "Act", load)]
"""


@pytest.fixture
def run(site, monkeypatch):
    site.install("old", PLUGIN)
    monkeypatch.setenv("LECT_PLUGINS", "old")
    return lambda *arguments: CliRunner(env={"COLUMNS": "80"}).invoke(app, list(arguments))


def test_commands_and_options_say_a_line_where_they_are_used(run):
    remark = SENTENCE[1:-1]
    used = run("act", "act", "--times", "2")
    assert used.stdout == "done 2\n"
    assert used.stderr == f"warning: lect act act: d{remark}\nwarning: --times: d{remark}\n"
    assert run("act", "act").stderr == f"warning: lect act act: d{remark}\n"
    assert run("act", "other").stderr == ""
    assert " ".join(run("act", "act", "--help").stdout.split()).count(SENTENCE) == 2


def test_fields_say_a_line_where_a_recipe_has_them(run, tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        'component = { name = "a", role = "task" }\ndata.train = { reader = "rows", path = "x", old = 1 }\n'
    )
    said = run("train", str(recipe)).stderr
    assert said.count(f"data.train.old: d{SENTENCE[1:-1]}\n") == 1
    shown = run("recipe", "fields", "rows").stdout
    assert SENTENCE in " ".join(shown.split())
    assert f"**{SENTENCE}**" in run("recipe", "fields", "rows", "--markdown").stdout


def test_hooks_say_a_line_to_whoever_checks_plugins(run, monkeypatch):
    from lect import hookspecs

    monkeypatch.setitem(hookspecs.lect_register_readers.lect_spec, "warn_on_impl", DeprecationWarning(SENTENCE))
    with pytest.warns(DeprecationWarning, match=re.escape(SENTENCE)):
        checked = run("plugins", "--check")
    assert f"lect_register_readers: d{SENTENCE[1:-1]}\n" in checked.stderr
    assert checked.exit_code == 0

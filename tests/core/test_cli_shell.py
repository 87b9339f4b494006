"""The command line's shell: help, version, mistyped commands, lightness."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from typing import Annotated

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner
from waiting import PATIENCE

import lect
from lect.commands import app as shell
from lect.commands.console import print_table
from lect.subcommands import Entry

HEAVY = ("torch", "transformers", "peft", "adapters", "accelerate", "sklearn", "numpy", "rich", "pluggy")


def run(*arguments):
    return CliRunner(env={"COLUMNS": "80"}).invoke(shell.app, list(arguments))


def module(*arguments, **environment):
    """`python -m lect`, as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "lect", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80", **environment},
        timeout=PATIENCE,
    )


def imported_by(program: str) -> list[str]:
    """The heavy modules that a program has imported when it ends."""
    program += f"\nimport json, sys\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def command_line(*arguments: str) -> str:
    return f"""
from lect.commands.app import app
try:
    app({list(arguments)!r})
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.mark.processes
def test_importing_lect_imports_nothing_heavy():
    assert imported_by("import lect") == []


@pytest.mark.processes
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_help_and_version_import_nothing_heavy_and_load_no_plugin(arguments):
    assert imported_by(command_line(*arguments)) == []


@pytest.mark.processes
def test_listing_plugins_imports_no_framework():
    assert set(imported_by(command_line("plugins"))) <= {"rich", "pluggy"}


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_names_every_command_in_80_columns(arguments):
    result = run(*arguments)
    assert result.exit_code == 0
    for name, entry in shell.COMMANDS.items():
        assert f"  {name}" in result.stdout
        assert entry.summary in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80


@pytest.mark.processes
def test_the_versions_are_those_of_the_distributions():
    result = module("--version")
    first, *others = result.stdout.splitlines()
    assert (result.returncode, first) == (0, f"lect {lect.__version__}")
    said = dict(line.rsplit(" ", 1) for line in others)
    assert said["Python"] == platform.python_version()
    assert {name: said[name] for name in ("lect-heads", "lect-lora", "torch", "transformers")} == {
        name: metadata.version(name) for name in ("lect-heads", "lect-lora", "torch", "transformers")
    }


@pytest.mark.parametrize("name", sorted(shell.COMMANDS))
def test_every_command_in_the_table_exists_and_has_help(name):
    result = run(name, "--help")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"Usage: lect {name} ")


@pytest.mark.processes
def test_a_mistyped_command_names_the_nearest():
    result = module("tran", LECT_PLUGINS="")
    assert result.returncode == 2
    assert result.stderr == 'error: there is no command "tran"; did you mean "train"?; see lect --help\n'


def test_a_wrong_option_before_the_command_is_a_usage_error():
    result = run("--plugin", "x", "plugins")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no such option: --plugin")


def test_without_standalone_mode_errors_reach_the_caller():
    with pytest.raises(lect.UserError):
        shell.app(["plugins", "--hook", "nothing"], standalone_mode=False)


@given(
    st.lists(st.sampled_from(["train", "-x", "--set", "a=b"])),
    st.lists(st.tuples(st.sampled_from(["lora", "e5"]), st.booleans())),
    st.randoms(use_true_random=False),
)
def test_the_option_no_plugin_counts_wherever_it_stands(words, blocked, random):
    options = [[f"--no-plugin={name}"] if joined else ["--no-plugin", name] for name, joined in blocked]
    mixed = options + [["echo"]] + [[word] for word in words]
    for _ in options:
        mixed.insert(random.randint(0, len(mixed)), mixed.pop(0))
    found, said = echoed(word for token in mixed for word in token)
    assert (sorted(found), said) == (sorted(name for name, _ in blocked), words)


def test_nothing_after_two_hyphens_is_an_option():
    assert echoed(["echo", "--", "--no-plugin", "x"]) == ([], ["--no-plugin", "x"])


def echoed(arguments):
    """What the whole command line and a command are told: the plugins that are blocked, and the words."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shell, "COMMANDS", {"echo": Entry(__name__, "echo", "Say what was said")})
        result = run(*arguments)
    assert result.exit_code == 0, result.output
    blocked, words = json.loads(result.stdout)
    return blocked, words


echo = typer.Typer()


@echo.command(context_settings={"ignore_unknown_options": True})
def say(ctx: typer.Context, words: Annotated[list[str] | None, typer.Argument()] = None):
    typer.echo(json.dumps([ctx.find_root().obj.block, words or []]))


def test_a_table_folds_long_cells_and_takes_brackets_as_text(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_table(["name", "about"], [["x", "word " * 40], ["[bold]", "[/nonsense]"]], narrow=["name"])
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert out.count("word") == 40
    assert "[bold]" in out
    assert "[/nonsense]" in out
